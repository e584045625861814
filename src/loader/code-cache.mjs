/*
 * The code that V8 makes of each dist/*.bundle.cjs, of all of its functions, for which of them a
 * run will call is not known. V8 takes it from no other version of itself, so it is made where
 * podfs is built and where it is installed (`postinstall`, systemd/install.sh), by the node that
 * is to run it:
 *
 *   node src/loader/code-cache.mjs [DIRECTORY]
 */
import {
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'

/** Beside the bundle, which is there already. */
export function writeCodeCache(filename) {
  setFlagsFromString('--no-lazy')
  const script = new Script(readFileSync(filename, 'latin1'), { filename })
  // The flags are part of the cache; those of a run are the usual ones.
  setFlagsFromString('--lazy')
  writeFileSync(`${filename}.cache`, script.createCachedData())
}

/** A clone that is not built yet has none. */
function bundlesIn(directory) {
  try {
    return readdirSync(directory).filter(name => name.endsWith('.bundle.cjs'))
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}

const self = fileURLToPath(import.meta.url)
if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === self) {
  const directory =
    process.argv[2] ?? path.resolve(path.dirname(self), '../../dist')
  for (const name of bundlesIn(directory)) {
    const filename = path.join(directory, name)
    try {
      writeCodeCache(filename)
    } catch (error) {
      // Without it podfs runs, too.
      rmSync(`${filename}.cache`, { force: true })
      process.stderr.write(
        `warning: podfs will start more slowly: ${error.message}\n`,
      )
    }
  }
}
