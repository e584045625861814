/*
 * A number that one of podfs's processes had may be another process's later. In a pid namespace
 * of its own, where the next number can be chosen.
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import t from 'tap'
import { cannotStart, needsRoot } from '../helpers/capability.ts'

const nextPid = '/proc/sys/kernel/ns_last_pid'
const skip =
  cannotStart() ||
  needsRoot('machine') ||
  (!existsSync(nextPid) && `needs ${nextPid}`)

const script = `
mount -t proc proc /proc && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /mnt || exit
mkdir /mnt/conf && echo value >/mnt/conf/key
"$@" mount /mnt/conf /mnt/volume >/mnt/said 2>&1 & podfs=$!
until grep -q ready /mnt/said; do sleep 0.05; done
read -r keeper </run/podfs/mount-$podfs/keeper.pid
until [ -n "$standby" ]; do
  sleep 0.05
  for pid in $(cat /proc/$keeper/task/$keeper/children); do
    grep -qsa standby /proc/$pid/cmdline && standby=$pid
  done
done
kill -9 $standby
while [ -d /proc/$standby ]; do sleep 0.05; grep -qs 'State:.Z' /proc/$standby/status && break; done
until [ "$stranger" = $standby ]; do
  [ -z "$stranger" ] || kill $stranger
  echo $((standby - 1)) >${nextPid}
  sleep 100 & stranger=$!
done
kill $podfs && wait $podfs
[ -z "$(ls /run/podfs)" ] && kill -0 $stranger && echo unharmed
`

t.test('who has the number of a dead standby is not killed', { skip }, t => {
  const said = execFileSync(
    'unshare',
    [
      '--mount',
      '--propagation',
      'private',
      '--pid',
      '--fork',
      '--kill-child',
      'sh',
      '-c',
      script,
      'sh',
      process.execPath,
      'dist/podfs.cjs',
    ],
    {
      encoding: 'utf8',
      timeout: 200_000,
      killSignal: 'SIGKILL',
      env: { PATH: process.env['PATH'] },
    },
  )
  t.equal(said, 'unharmed\n')
  t.end()
})
