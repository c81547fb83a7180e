// Islands: a component mounts on an element of the served page and reads the data that the page carries for it.
import { type ComponentType, h, render } from "preact";

export function mountIsland<Data extends object>(name: string, component: ComponentType<Data>): void {
  const place = document.querySelector(`[data-island="${name}"]`);
  const data = document.getElementById(`${name}-data`)?.textContent;
  if (!place || !data) return;
  place.replaceChildren();
  render(h(component, JSON.parse(data) as Data), place);
}
