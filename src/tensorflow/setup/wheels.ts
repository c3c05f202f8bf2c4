/**
 * The wheels with libtensorflow, each pinned by version and hash: pip refuses any other file.
 * A wheel is fetched only for its shared libraries and C headers; no Python of the same version is needed.
 */
export interface Wheel {
  readonly project: string;
  readonly version: string;
  /** Its file name; its tags (PEP 427) determine the Python and platform that pip is asked for. */
  readonly file: string;
  readonly sha256: string;
  /** Size of the wheel, in bytes. */
  readonly bytes: number;
  /** Size of what is extracted from it, in bytes. */
  readonly unpacked: number;
}

/** The wheels of one set-up. */
export interface Bundle {
  readonly kind: 'cpu' | 'cuda';
  /** Has libtensorflow and its C headers. */
  readonly tensorflow: Wheel;
  /** CUDA's own libraries, found by libtensorflow's run path in the same folder. */
  readonly nvidia: readonly Wheel[];
}

/** libtensorflow for CPUs with AVX, glibc 2.27 or later. */
export const CPU: Bundle = {
  kind: 'cpu',
  tensorflow: {
    project: 'tensorflow-cpu',
    version: '2.21.0',
    file: 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl',
    sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
    bytes: 273_829_956,
    unpacked: 853_500_000,
  },
  nvidia: [],
};

/**
 * libtensorflow for CUDA 12.5 and cuDNN 9 (compute capability 6.0 and later), and the CUDA libraries it
 * opens by name. Versions are those that pip resolved for `tensorflow[and-cuda]==2.21.0` on 2026-11-23, without
 * nvcc, which is a compiler and has no library. Sizes on disk are rounded up.
 */
export const CUDA: Bundle = {
  kind: 'cuda',
  tensorflow: {
    project: 'tensorflow',
    version: '2.21.0',
    file: 'tensorflow-2.21.0-cp312-cp312-manylinux_2_27_x86_64.whl',
    sha256: 'b3b95643c4e70eb925839938fb35cbe142f317ec84af6844ee61513713bb13c0',
    bytes: 572_611_111,
    unpacked: 1_262_000_000,
  },
  nvidia: [
    {
      project: 'nvidia-cublas-cu12',
      version: '12.9.3.13',
      file: 'nvidia_cublas_cu12-12.9.3.13-py3-none-manylinux_2_27_x86_64.whl',
      sha256: 'd7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72',
      bytes: 581_217_458,
      unpacked: 870_000_000,
    },
    {
      project: 'nvidia-cuda-cupti-cu12',
      version: '12.8.90',
      file: 'nvidia_cuda_cupti_cu12-12.8.90-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
      sha256: 'ea0cb07ebda26bb9b29ba82cda34849e73c166c18162d3913575b0c9db9a6182',
      bytes: 10_248_621,
      unpacked: 60_000_000,
    },
    {
      project: 'nvidia-cuda-nvrtc-cu12',
      version: '12.9.86',
      file: 'nvidia_cuda_nvrtc_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
      sha256: '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4',
      bytes: 89_568_129,
      unpacked: 240_000_000,
    },
    {
      project: 'nvidia-cuda-runtime-cu12',
      version: '12.9.79',
      file: 'nvidia_cuda_runtime_cu12-12.9.79-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
      sha256: '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3',
      bytes: 3_493_179,
      unpacked: 8_000_000,
    },
    {
      project: 'nvidia-cudnn-cu12',
      version: '9.28.0.42',
      file: 'nvidia_cudnn_cu12-9.28.0.42-py3-none-manylinux_2_27_x86_64.whl',
      sha256: '9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375',
      bytes: 716_538_495,
      unpacked: 1_150_000_000,
    },
    {
      project: 'nvidia-cufft-cu12',
      version: '11.4.1.4',
      file: 'nvidia_cufft_cu12-11.4.1.4-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
      sha256: 'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28',
      bytes: 200_877_592,
      unpacked: 300_000_000,
    },
    {
      project: 'nvidia-curand-cu12',
      version: '10.3.10.19',
      file: 'nvidia_curand_cu12-10.3.10.19-py3-none-manylinux_2_27_x86_64.whl',
      sha256: '49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e',
      bytes: 68_295_626,
      unpacked: 170_000_000,
    },
    {
      project: 'nvidia-cusolver-cu12',
      version: '11.7.5.82',
      file: 'nvidia_cusolver_cu12-11.7.5.82-py3-none-manylinux_2_27_x86_64.whl',
      sha256: '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88',
      bytes: 338_117_415,
      unpacked: 480_000_000,
    },
    {
      project: 'nvidia-cusparse-cu12',
      version: '12.5.10.65',
      file: 'nvidia_cusparse_cu12-12.5.10.65-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
      sha256: '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78',
      bytes: 366_465_088,
      unpacked: 500_000_000,
    },
    {
      project: 'nvidia-nccl-cu12',
      version: '2.32.3',
      file: 'nvidia_nccl_cu12-2.32.3-py3-none-manylinux_2_27_x86_64.whl',
      sha256: 'bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c',
      bytes: 351_526_311,
      unpacked: 450_000_000,
    },
    {
      project: 'nvidia-nvjitlink-cu12',
      version: '12.9.86',
      file: 'nvidia_nvjitlink_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
      sha256: 'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9',
      bytes: 39_748_338,
      unpacked: 110_000_000,
    },
  ],
};
