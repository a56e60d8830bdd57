/** Registers an internal element, once however many scripts carry it. */
export function define(name: `parlour-${string}`, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}
