/** The kernels of a reverse step: x_{t−1} from x_t, the network's output, z and coefficients. */
export type ReverseKernel = 'pSample' | 'ddimStep' | 'tableStep';
