import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { holderIn } from '../../src/session/mount-holders.ts'

t.test('who has ended meanwhile holds nothing, and has no name', async t => {
  // Nothing of the real /proc can be stopped between a look at its links and one at its name.
  // No kernel gives such numbers (PID_MAX_LIMIT).
  const proc = t.testdir({})
  const process = (pid: string, cwd: string): string => {
    const directory = path.join(proc, pid)
    mkdirSync(directory)
    symlinkSync(cwd, path.join(directory, 'cwd'))
    return path.join(directory, 'comm')
  }
  process('9000647', '/mnt')
  mkdirSync(process('9000648', '/mnt/a'))
  writeFileSync(process('9000649', '/mnt'), 'a b \n')
  writeFileSync(process('9000650', '/mnt2'), 'elsewhere\n')
  const holder = (pid: string) => holderIn(path.join(proc, pid), '/mnt')
  t.equal(await holder('9000647'), undefined)
  t.strictSame(await holder('9000648'), { pid: 9000648, name: 'a process' })
  t.strictSame(await holder('9000649'), { pid: 9000649, name: 'a b ' })
  t.equal(await holder('9000650'), undefined)
})
