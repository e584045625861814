import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface EntryPoints {
  readonly server: string
  readonly keeper: string
}

/**
 * The bundled server and the keeper's script: beside the running bundle, or, when the
 * sources run (tests), in `dist` of the package around the running script.
 */
export function entryPoints(script = process.argv[1]): EntryPoints {
  let directory =
    script === undefined || !existsSync(script)
      ? process.cwd()
      : dirname(realpathSync(script))
  for (;;) {
    for (const candidate of [directory, join(directory, 'dist')]) {
      const server = join(candidate, 'fuse-server.cjs')
      const keeper = join(candidate, 'keeper.sh')
      if (existsSync(server) && existsSync(keeper)) return { server, keeper }
    }
    const parent = dirname(directory)
    if (parent === directory)
      throw new Error('fuse-server.cjs and keeper.sh not found: npm run build')
    directory = parent
  }
}
