import { mkdirSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { lacksOrdinaryUser, ordinaryUser } from '../helpers/ordinary-user.ts'
import { eventually } from '../helpers/podfs.ts'

/*
 * podfs as root of a user namespace that somebody else has made: after `unshare -Urm`, in a
 * container without root.
 */

t.setTimeout(240_000)

const pod = `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  restartPolicy: Never
  containers:
    - name: web
      image: busybox
      command: [sh, -c, 'id -u; [ $$$$ = 1 ] && cat /conf/key']
      volumeMounts: [{name: conf, mountPath: /conf}]
  volumes: [{name: conf, configMap: {name: conf}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data: {key: value}
`

t.test('in a user namespace', { skip: lacksOrdinaryUser() }, async t => {
  const user = await ordinaryUser(t)
  writeFileSync(`${user.home}/pod.yaml`, pod)
  mkdirSync(`${user.home}/conf`)
  writeFileSync(`${user.home}/conf/key`, 'value\n')
  const unshare = (flags: string, own = 'true'): { wrapper: string[] } => ({
    wrapper: ['unshare', flags, 'sh', '-ec', `${own}; exec "$@"`, 'sh'],
  })
  const run = ['run', '-f', 'pod.yaml']

  await t.test('a Pod runs, with the places of its user', async t => {
    t.match(await user.podfs(run, unshare('-Urm')), {
      code: 0,
      stdout: 'web | 0\nweb | value\n',
    })
    t.equal((await user.sh('ls "$XDG_RUNTIME_DIR/podfs"')).stdout, '')
  })

  await t.test('and with root’s, where it may have them', async t => {
    const own = 'mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/lib'
    const here = await user.podfs(['mount', 'conf', '/run/podfs'], {
      ...unshare('-Urm', own),
    })
    t.match(here, { code: 2, stderr: /\/run\/podfs/ })
  })

  await t.test('ids that it does not have are refused', async t => {
    const other = pod.replace('spec:', 'spec:\n  securityContext: {fsGroup: 7}')
    const refused = await user.podfs(['run', '-f', '-'], {
      ...unshare('-Urm'),
      input: other,
    })
    t.match(refused, {
      code: 1,
      stdout: '',
      stderr: /fsGroup: there is no group 7, but 0 alone\n/,
    })
  })

  await t.test('without its mounts each command is one clear line', async t => {
    const commands = [
      run,
      ['mount', 'conf', 'mnt'],
      ['mount', 'conf', 'mnt', '--detach'],
    ]
    for (const command of commands) {
      const ended = await user.podfs(command, unshare('-Ur'))
      t.match(ended, { code: 3, stdout: '' }, command.join(' '))
      t.equal(
        ended.stderr.replace(/^podfs: .*\n/gm, ''),
        'error: cannot mount: this user namespace has no mount namespace of its own\n' +
          '  unshare -Urm, not unshare -Ur; or --backend dir for mount\n',
      )
    }
    t.match(
      await user.podfs(
        ['mount', 'conf', 'mnt', '--detach', '--backend=dir'],
        unshare('-Ur'),
      ),
      { code: 0, stdout: /^\d+\n$/ },
    )
    t.equal((await user.sh('cat mnt/key')).stdout, 'value\n')
    t.match(await user.podfs(['unmount', 'mnt'], unshare('-Ur')), { code: 0 })
  })
  await eventually(() => user.processes().length === 0)
})
