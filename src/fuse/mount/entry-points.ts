import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface EntryPoints {
  readonly server: string
  readonly keeper: string
}

export function entryPoints(script = process.argv[1]): EntryPoints {
  return {
    server: entryPoint('fuse-server.cjs', script),
    keeper: entryPoint('keeper.sh', script),
  }
}

/**
 * A bundle or script that the build made: beside the running bundle, or, when the sources run
 * (tests), in `dist` of the package around the running script.
 */
export function entryPoint(name: string, script = process.argv[1]): string {
  let directory =
    script === undefined || !existsSync(script)
      ? process.cwd()
      : dirname(realpathSync(script))
  for (;;) {
    for (const candidate of [directory, join(directory, 'dist')])
      if (existsSync(join(candidate, name))) return join(candidate, name)
    const parent = dirname(directory)
    if (parent === directory)
      throw new Error(`${name} not found: npm run build`)
    directory = parent
  }
}
