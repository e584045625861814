/*
 * A file with very many objects: signals, requests and other files do not wait until it is read.
 */
import t from 'tap'
import { readMaybeEncrypted } from '../../src/sources/encryption/read-maybe-encrypted.ts'
import { configMapYaml, Live } from './live.ts'

t.test('others have their turn while it is parsed and decoded', async t => {
  const objects = Array.from({ length: 5000 }, (_, i) =>
    configMapYaml(`cm${i}`, { k: 'v' }),
  )
  const text = Buffer.from(objects.join('---\n'))
  let turns = 0
  let isOver = false
  const takeTurn = (): void => {
    turns += 1
    if (!isOver) setImmediate(takeTurn)
  }
  setImmediate(takeTurn)
  /** How many turns there were before each object. */
  const before: number[] = []
  const { namespace, identities } = new Live().options
  const manifest = await readMaybeEncrypted(text, 'large.yaml', {
    namespace,
    identities,
    onFields: () => before.push(turns),
  })
  isOver = true
  t.equal(manifest.objects.length, objects.length)
  t.ok((before[0] ?? 0) > 1, `${before[0]} while it is parsed`)
  t.ok(new Set(before).size > 2, `${new Set(before).size} while it is decoded`)
})
