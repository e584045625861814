// Stands in for tap's own plugin of this name (package.json, overrides): its loader, ts-node, costs
// each test file a second of CPU time.

export const importLoader = '@tapjs/typescript/import'
export const loader = '@tapjs/typescript/esm'
// Before the loaders of other plugins, whose resolve() would not be run otherwise.
export const preload = true

export const testFileExtensions = ['ts']

// tap was built with these options and does not start without them.
const unused = { description: 'has no effect here' }
export const config = {
  typecheck: { type: 'boolean', ...unused },
  tsconfig: { type: 'string', ...unused },
  'type-strip-only': { type: 'boolean', ...unused },
}

export const plugin = () => ({})
