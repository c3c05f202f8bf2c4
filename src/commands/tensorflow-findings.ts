import { describeTensorflow, type TensorflowReport } from '../tensorflow/describe.js';
import type { Finding } from './findings.js';

/** What doctor says of TensorFlow: version and origin, devices, TF32, and each gap with the command that mends it. */
export async function tensorflowFindings(): Promise<Finding[]> {
  return findings(await describeTensorflow());
}

/** The findings of a report; one line for the library, one for what computes, one for each gap beyond the first. */
export function findings(report: TensorflowReport): Finding[] {
  const { origin, version, gaps } = report;
  const [gap, ...rest] = gaps;
  const library: Finding =
    version === undefined
      ? {
          what: 'TensorFlow',
          state: 'optional',
          found: `${gap?.what ?? 'not set up'}; --device wasm computes without it`,
          mend: gap?.mend ?? null,
        }
      : {
          what: 'TensorFlow',
          state: 'good',
          found: `libtensorflow ${version} (${ORIGINS[origin!]}) in ${report.folder}`,
          mend: null,
        };
  const others = version === undefined ? rest : gaps;
  return [library, ...cuda(report), ...others.map(asFinding)];
}

const ORIGINS = {
  cuda: 'the CUDA build that haze setup made',
  cpu: 'the CPU build that haze setup made',
  official: "tfjs-node-gpu's own",
};

const asFinding = ({ what, mend }: { what: string; mend: string }): Finding => ({
  what: 'CUDA',
  state: 'optional',
  found: what,
  mend,
});

function cuda({ devices, used, driver, tf32, version }: TensorflowReport): Finding[] {
  if (version === undefined) return [];
  const what = 'CUDA';
  if (used === undefined || used === 'cpu') {
    const found = `no usable GPU, the CPU computes${driver ? `; NVIDIA driver ${driver}` : ''}`;
    return [{ what, state: 'optional', found, mend: null }];
  }
  const all = devices.map(
    (d) => `${d.index}: ${d.name}, ${d.memoryMB} MB, compute ${d.computeCapability}`,
  );
  const found = `${all.join('; ')}; ${used.name} computes; TF32 ${tf32}${driver ? `; driver ${driver}` : ''}`;
  return [{ what, state: 'good', found, mend: null }];
}
