import t from 'tap'
import { resolvePath } from '../../src/linux/resolve-path.ts'
import { fakeHost, link } from '../runner/sandbox/fake-host.ts'

const host = fakeHost({
  '/loop': link('loop'),
  '/up': link('../../../etc'),
  '/home/me/abs': link('/var/run'),
  '/home/me/rel': link('./project/../notes'),
  '/dangling': link('/none/x'),
})
const cases = [
  ['/', '/'],
  ['/var/run', '/run'],
  ['/var/run/x/../y', '/run/y'],
  ['/bin/sh', '/usr/bin/dash'],
  ['/up/hosts', '/etc/hosts'],
  ['/home/me/abs/lock', '/run/lock'],
  ['/home/me/rel', '/home/me/notes'],
  ['/dangling/deep', '/none/x/deep'],
  ['/../..//etc/./', '/etc'],
] as const
for (const [path, resolved] of cases)
  t.equal(resolvePath(path, host), resolved, path)

t.throws(() => resolvePath('/loop', host), {
  message: '/loop: too many symlinks',
})
