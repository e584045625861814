/** Go prints a map in the order of its keys. */
export function sortedObject(map: ReadonlyMap<string, string>): object {
  return Object.fromEntries(
    [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
  )
}
