import { execFileSync, spawnSync } from 'node:child_process'
import t from 'tap'
import { earlierFlags } from '../../src/fuse/server/optimize-earlier.ts'

t.test('this V8 knows the flags that it is given', async t => {
  const known = execFileSync(process.execPath, ['--v8-options'], {
    encoding: 'utf8',
  })
  const flags = earlierFlags(process.versions.v8)
  const [major = ''] = process.versions.node.split('.')
  if (['20', '22', '24', '26'].includes(major))
    t.ok(flags.length > 0, `there are some for ${process.version}`)
  for (const flag of flags) {
    const [name = '', value = ''] = flag.split('=')
    const usual = new RegExp(`^ +type: int +default: ${name}=(\\d+)$`, 'm')
    const [, found] = usual.exec(known) ?? []
    t.ok(Number(found) > Number(value), `${flag}, ${found} by itself`)
  }
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--eval',
      `for (const flag of ${JSON.stringify(flags)}) require('node:v8').setFlagsFromString(flag)`,
    ],
    { encoding: 'utf8' },
  )
  t.strictSame({ stdout, stderr }, { stdout: '', stderr: '' })
})

t.test('a V8 that nobody has looked at is left as it is', async t => {
  for (const v8 of ['', '11.30.1', '12.9.202.28-node.11', '99.1.2.3'])
    t.strictSame(earlierFlags(v8), [], v8)
})
