import assert from 'node:assert/strict'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import type { Payload } from '../../src/writer/payload.ts'

/** What a test knows of a volume beside its payload. */
export interface VolumeExpectation {
  readonly fsGroup?: number
  /** Names in the root that are not the writer's and that it must leave alone. */
  readonly foreign?: readonly string[]
}

/** A payload as a table: `{'d/x': 'text'}` with mode 0644, or the file in full. */
export function makePayload(
  files: Readonly<
    Record<string, string | { data: string; mode?: number; fsUser?: number }>
  >,
): Payload {
  return new Map(
    Object.entries(files).map(([path, file]) => {
      const {
        data,
        mode = 0o644,
        ...rest
      } = typeof file === 'string' ? { data: file } : file
      return [path, { data: Buffer.from(data), mode, ...rest }]
    }),
  )
}

/**
 * Asserts that a directory is the volume of this (clean) payload and nothing more: one
 * generation, `..data`, one link for each first component, and all bytes, modes and owners.
 */
export async function checkVolumeContents(
  directory: string,
  payload: Payload,
  expectation: VolumeExpectation = {},
): Promise<void> {
  const { fsGroup, foreign = [] } = expectation
  const tsDir = await readlink(`${directory}/..data`)
  assert.match(tsDir, /^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+$/)
  const visible = new Set([...payload.keys()].map(path => path.split('/')[0]))
  const names = (await readdir(directory)).filter(n => !foreign.includes(n))
  assert.deepEqual(new Set(names), new Set(['..data', tsDir, ...visible]))

  const wantFiles = new Map(
    [...payload].map(([path, { data, mode, fsUser }]) => [
      path,
      {
        data: Buffer.from(data).toString('latin1'),
        mode: (fsGroup === undefined ? mode : mode | 0o440).toString(8),
        uid: fsUser ?? process.getuid?.(),
      },
    ]),
  )
  assert.deepEqual(
    await readFiles(`${directory}/${tsDir}`),
    new Map([...wantFiles].sort(byKey)),
  )
  const wantDirectory = fsGroup === undefined ? 0o755 : 0o2755
  const tsStats = await lstat(`${directory}/${tsDir}`)
  assert.equal((tsStats.mode & 0o7777).toString(8), wantDirectory.toString(8))

  for (const name of visible)
    assert.equal(await readlink(`${directory}/${name}`), `..data/${name}`)
  for (const [path, { data }] of payload)
    assert.deepEqual(
      await readFile(`${directory}/${path}`),
      Buffer.from(data),
      `${path}, through its link`,
    )
  if (fsGroup !== undefined)
    for (const name of [...names, ...payload.keys()])
      assert.equal((await lstat(`${directory}/${name}`)).gid, fsGroup, name)
}

/** Asserts that a directory is as before the first write. */
export async function checkVolumeEmpty(directory: string): Promise<void> {
  assert.deepEqual(await readdir(directory), [])
}

async function readFiles(
  directory: string,
): Promise<Map<string, { data: string; mode: string; uid: number }>> {
  const files = new Map<string, { data: string; mode: string; uid: number }>()
  const entries = await readdir(directory, {
    recursive: true,
    withFileTypes: true,
  })
  for (const entry of entries) {
    if (entry.isDirectory()) continue
    assert.ok(entry.isFile(), `${entry.name} is a regular file`)
    const path = `${entry.parentPath}/${entry.name}`
    const { mode, uid } = await lstat(path)
    files.set(path.slice(directory.length + 1), {
      data: (await readFile(path)).toString('latin1'),
      mode: (mode & 0o7777).toString(8),
      uid,
    })
  }
  return new Map([...files].sort(byKey))
}

function byKey([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : 1
}
