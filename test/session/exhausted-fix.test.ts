/*
 * What is to be typed when the machine has run out of something: the paths in it are words of a
 * shell.
 */
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { exhaustedFix, asFailure } from '../../src/session/failures.ts'
import { Failure } from '../../src/util/failure.ts'

const full = (code: string, path?: string): Error =>
  Object.assign(new Error(code), { code, ...(path && { path }) })

for (const directory of ['/run/podfs', '/srv/my files', "/srv/it's; reboot"])
  t.test(directory, async t => {
    for (const code of ['ENOSPC', 'EROFS']) {
      const fix = exhaustedFix(full(code), [directory]) ?? ''
      // As a shell takes it, with the programs as functions that print their words.
      const script = `df() { printf '%s\\n' "$@"; }; findmnt() { df "$@"; }; ${fix}`
      const words = execFileSync('sh', ['-c', script], { encoding: 'utf8' })
      t.same(
        words.split('\n').filter(word => word.startsWith('/')),
        code === 'EROFS' ? [directory] : [directory, directory],
        fix,
      )
    }
    const failure = asFailure(full('ENOSPC', directory))
    t.match(failure, { fix: exhaustedFix(full('ENOSPC'), [directory]) })
    t.ok(failure instanceof Failure)
  })

t.test('where no path is known', async t => {
  const all = '/run /dev/shm /tmp'
  t.equal(exhaustedFix(full('ENOSPC')), `df -h ${all}; df -i ${all}`)
  t.equal(exhaustedFix(full('EROFS')), 'findmnt --target /run')
  t.equal(exhaustedFix(full('EINVAL')), undefined)
  t.equal(exhaustedFix('no error'), undefined)
})
