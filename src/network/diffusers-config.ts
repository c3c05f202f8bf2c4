import { UsageError } from '../errors.js';
import { type DiffusersClass, type NetworkInFile, show } from './diffusers-keys.js';
import type { DitConfig } from './dit-config.js';
import { DIT } from './dit-keys.js';
import type { NetworkKind } from './network.js';
import type { Unet2dConfig } from './unet2d-config.js';
import { UNET2D } from './unet2d-keys.js';

/* diffusers' config.json of its networks, in both directions. */

/** Networks that diffusers has. */
export type DiffusersConfig = Unet2dConfig | DitConfig;

/** A network in a file. */
export type DiffusersNetwork = NetworkInFile<DiffusersConfig>;

const CLASSES: {
  readonly [K in DiffusersConfig['kind']]: DiffusersClass<Extract<DiffusersConfig, { kind: K }>>;
} = { unet2d: UNET2D, dit: DIT };

/** Whether diffusers has networks of this kind. */
export const isOfDiffusers = <C extends { readonly kind: NetworkKind }>(
  config: C,
): config is Extract<C, { kind: DiffusersConfig['kind'] }> => Object.hasOwn(CLASSES, config.kind);

/** The class's name. */
export const className = ({ kind }: Pick<DiffusersConfig, 'kind'>): string => CLASSES[kind].name;

/** The classes' names, in words. */
export const CLASS_NAMES = Object.values(CLASSES)
  .map(({ name }) => name)
  .join(' or ');

/**
 * The network of a parsed config.json; `where` names it in errors. Without a class it is a UNet2DModel's.
 * @throws UsageError naming a key that is unknown, has an unsupported value, or conflicts with others.
 */
export function fromDiffusers(
  where: string,
  json: Readonly<Record<string, unknown>>,
): DiffusersNetwork {
  const name = json._class_name ?? UNET2D.name;
  const of = Object.values(CLASSES).find((known) => known.name === name);
  if (of) return of.read(where, json);
  throw new UsageError(`${where}: _class_name: expected ${CLASS_NAMES}, got ${show(name)}`);
}

/** The keys of config.json, for a network with this image size. */
export function toDiffusers(config: DiffusersConfig, size: number | null): Record<string, unknown> {
  return config.kind === 'dit' ? DIT.write({ config, size }) : UNET2D.write({ config, size });
}
