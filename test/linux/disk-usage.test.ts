import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { execFile } from 'node:child_process'
import t from 'tap'
import { diskUsage } from '../../src/linux/disk-usage.ts'

t.test('what a directory takes is what du says', async t => {
  const directory = t.testdir()
  const file = (...names: string[]): string => path.join(directory, ...names)
  mkdirSync(file('a/b'), { recursive: true })
  writeFileSync(file('a/large'), Buffer.alloc(300_000, 1))
  writeFileSync(file('a/b/small'), 'x')
  linkSync(file('a/large'), file('a/b/again'))
  symlinkSync('/usr', file('a/link'))
  writeFileSync(file('odd \n name'), Buffer.alloc(5000, 1))
  const { stdout } = await promisify(execFile)('du', ['-sk', directory])
  const bytes = await diskUsage(directory)
  t.equal(Number(bytes) / 1024, Number(stdout.split('\t')[0]))
  t.ok(bytes > 300_000n && bytes < 600_000n, String(bytes))
  t.equal(await diskUsage(file('absent')), 0n)
})
