/** Pictures drawn by vega, which is loaded lazily. */
import type { Spec } from 'vega';

/** The SVG document of a vega specification. */
export async function toSvg(spec: Spec): Promise<string> {
  const vega = await import('vega');
  const view = new vega.View(vega.parse(spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
