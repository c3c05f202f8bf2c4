/** Makes and fills elements. All text is set as text: data of runs is never parsed as HTML. */
import { plain } from './words.js';

type Attributes = Readonly<Record<string, string>>;

/** An element with attributes and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A name of a file or a run, whatever its direction. */
export const named = (name: string): HTMLElement => make('bdi', {}, plain(name));

/** The name of a run as a heading; the page hides it where there is one run. */
export const runHeading = (name: string): HTMLElement =>
  make('h3', { class: 'run-name' }, named(name));

/** A table that may be larger than the page: its scrolling area can be reached by keyboard. */
export function scrolling(label: string, table: HTMLTableElement): HTMLElement {
  return make(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label },
    table,
  );
}

/** An element of index.html. */
export function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new Error(`index.html has no #${id}`);
}

/** Changes text only if it differs, so that selections stay and screen readers do not repeat it. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** A part of the page for one run. */
export interface Column<T> {
  readonly element: HTMLElement;
  update(item: T): void;
}

/** Keeps one child of `parent` per key, in their order; existing ones are reused. */
export class Columns<T extends { readonly name: string }> {
  private readonly parent: HTMLElement;
  private readonly create: (name: string) => Column<T>;
  private readonly columns = new Map<string, Column<T>>();

  constructor(parent: HTMLElement, create: (name: string) => Column<T>) {
    this.parent = parent;
    this.create = create;
  }

  update(items: readonly T[]): void {
    for (const [name, { element }] of this.columns)
      if (!items.some((item) => item.name === name)) {
        element.remove();
        this.columns.delete(name);
      }
    for (const [i, item] of items.entries()) {
      const column = this.columns.get(item.name) ?? this.create(item.name);
      this.columns.set(item.name, column);
      if (this.parent.children[i] !== column.element)
        this.parent.insertBefore(column.element, this.parent.children[i] ?? null);
      column.update(item);
    }
  }
}
