/*
 * The units, as installed, under a real systemd.
 */
import t, { type Test } from 'tap'
import { bootSystemd, cannotBoot } from '../helpers/booted-systemd.ts'

t.setTimeout(240_000)

/** A systemd, and what a test asks there. */
async function machine(t: Test) {
  const { sh } = await bootSystemd(t)
  const out = async (script: string) => (await sh(script)).stdout.trim()
  const ok = async (script: string) => {
    const { code, stderr } = await sh(script)
    t.equal(code, 0, `${script}: ${stderr}`)
  }
  /** Looks there until it is so. */
  const until = (condition: string) =>
    sh(`for i in $(seq 600); do ${condition} && exit; sleep 0.05; done`)
  return { sh, out, ok, until }
}

/** Prints the pids of everything in the unit's cgroup. */
function processesOf(unit: string): string {
  return `echo $(cat /sys/fs/cgroup$(systemctl show -P ControlGroup ${unit})/cgroup.procs)`
}

/** What podfs has mounted; the project's own directory is bound there, and may be called podfs. */
const countMounts =
  "grep -cE ' /run/podfs| - (fuse\\.podfs|[^ ]+ podfs) ' /proc/1/mountinfo"

function running(pids: string): string {
  return `for pid in ${pids}; do [ ! -d /proc/$pid ] || echo $pid; done`
}

t.test('one mount as a unit', { skip: cannotBoot() }, async t => {
  const { sh, out, ok, until } = await machine(t)
  const unit = 'podfs-mount@web'
  const device = () => out('stat -c %d /srv/web')
  const mainPid = () => out(`systemctl show -P MainPID ${unit}`)

  await ok(`mkdir /srv/conf && echo blue > /srv/conf/colour
    echo 'ARGS=/srv/conf /srv/web' > /etc/podfs/mounts/web.conf`)

  await t.test('is there for everybody when it has started', async t => {
    await ok(`systemctl start ${unit}`)
    t.equal(await out('cat /srv/web/colour'), 'blue')
    t.equal(
      await out(
        `until systemctl show -P StatusText ${unit} | grep .; do :; done`,
      ),
      'serving 1 volume at /srv/web',
    )
    // PID 1 is in the namespace of the machine.
    t.match(await out('grep /srv/web /proc/1/mountinfo'), / fuse\.podfs /)
  })

  await t.test('a restart keeps the mount, and who is in there', async t => {
    const before = [await device(), await mainPid()]
    t.equal(
      await out(
        `cd /srv/web && exec 9<colour && systemctl restart ${unit} && cat <&9 && cat colour`,
      ),
      'blue\nblue',
    )
    t.equal(await device(), before[0], 'the same mount')
    t.not(await mainPid(), before[1], 'another podfs')
    await until(
      'echo green > /srv/conf/colour; sleep 0.2; grep -q green /srv/web/colour',
    )
    t.equal(await out('cat /srv/web/colour'), 'green', 'and it publishes')
  })

  await t.test('so does a crash', async t => {
    const before = [await device(), await mainPid()]
    await ok(`kill -KILL ${before[1]}`)
    await until(
      `[ $(systemctl show -P MainPID ${unit}) != ${before[1]} ] && systemctl -q is-active ${unit}`,
    )
    t.equal(await device(), before[0], 'the same mount')
    t.equal(await out('cat /srv/web/colour'), 'green')
  })

  await t.test('one that hangs is replaced: the watchdog', async t => {
    const dropIn = `/run/systemd/system/${unit}.service.d`
    await ok(`mkdir -p ${dropIn} && printf '[Service]\\nWatchdogSec=2\\n' > ${dropIn}/test.conf
      systemctl daemon-reload && systemctl restart ${unit} && sleep 5`)
    t.equal(await out(`systemctl show -P Result ${unit}`), 'success', 'fed')
    const before = await mainPid()
    await ok(`kill -STOP ${before}`)
    await until(
      `[ $(systemctl show -P MainPID ${unit}) != ${before} ] && systemctl -q is-active ${unit}`,
    )
    t.not(await mainPid(), before)
    t.equal(await out('cat /srv/web/colour'), 'green')
  })

  await t.test('stop leaves nothing', async t => {
    const processes = await out(processesOf(unit))
    t.match(processes, /\d/)
    await ok(`systemctl stop ${unit}`)
    t.equal(await out(countMounts), '0')
    t.equal(await out('ls /srv /run/podfs'), '/run/podfs:\n\n/srv:\nconf')
    t.equal(await out(running(processes)), '', 'nor a process')
  })

  await t.test('every unit is clean, as installed', async t => {
    const { code, stdout, stderr } = await sh(
      'systemd-analyze verify podfs.service podfs-mount@web.service',
    )
    t.equal(stdout + stderr, '')
    t.equal(code, 0)
  })

  await t.test('a wrong one is told and not tried again', async t => {
    await ok(`echo 'ARGS=--nonsense' > /etc/podfs/mounts/bad.conf`)
    t.equal((await sh('systemctl start podfs-mount@bad')).code, 1)
    t.equal(await out('systemctl show -P NRestarts podfs-mount@bad'), '0')
    t.match(
      await out('journalctl -u podfs-mount@bad'),
      /error: unknown flag --nonsense/,
    )
  })

  await t.test('why no directive may make a mount namespace', async t => {
    const dropIn = `/run/systemd/system/${unit}.service.d`
    await ok(`printf '[Service]\\nProtectSystem=full\\n' > ${dropIn}/test.conf
      systemctl daemon-reload && systemctl start ${unit}`)
    t.equal(await out('ls /srv/web'), '', 'nobody sees the mount')
    await ok(`systemctl stop ${unit}`)
  })

  await t.test('mount -t podfs, /etc/fstab', async t => {
    await ok(
      `mkdir /srv/db && mount -t podfs /srv/conf /srv/db -o ro,allow_other`,
    )
    t.equal(await out('cat /srv/db/colour'), 'green')
    await ok('umount /srv/db')
    await until('[ -z "$(ls /run/podfs)" ]')
    t.equal(await out('ls /run/podfs'), '', 'podfs has ended, too')

    await ok(`echo '/srv/conf /srv/db podfs defaults,nofail 0 0' > /etc/fstab
      systemctl daemon-reload && systemctl start srv-db.mount`)
    t.equal(await out('cat /srv/db/colour'), 'green')
    await ok('systemctl stop srv-db.mount')
    await until('[ -z "$(ls /run/podfs)" ]')
    t.equal(await out('ls /run/podfs'), '')
  })
})

const manifests = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations: {podfs.io/run: "true"}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: settings, configMap: {name: settings}}]
  containers:
    - name: web
      image: busybox
      command: [sh, -c, 'trap exit TERM; echo "it is $(cat /config/colour)"; while :; do sleep 1000 & wait; done']
      volumeMounts: [{name: settings, mountPath: /config}]
`

t.test('the daemon as a unit', { skip: cannotBoot() }, async t => {
  const { sh, out, ok, until } = await machine(t)
  const file = '/srv/podfs/default/pods/web/settings/colour'
  const mainPid = () => out('systemctl show -P MainPID podfs')
  const device = () => out('stat -c %d /srv/podfs')
  const statusLine = (pattern: string) =>
    until(`systemctl show -P StatusText podfs | grep -q '${pattern}'`)

  await ok(`mkdir /srv/k8s && cat > /srv/k8s/web.yaml <<'END'\n${manifests}END`)
  await ok(
    `sed -i 's#manifests: .*#manifests: [/srv/k8s]#' /etc/podfs/podfs.yaml`,
  )

  await t.test('everything is published when it has started', async t => {
    await ok('systemctl start podfs')
    t.equal(await out(`cat ${file}`), 'blue')
    await statusLine('volume')
    t.match(
      await out('systemctl show -P StatusText podfs'),
      /^\d volumes? at \/srv\/podfs, 0 Pods running$/,
    )
    t.match(
      await out('journalctl -u podfs'),
      /Pod default\/web asks to be run, but the setting 'run' is none/,
    )
  })

  await t.test('reload waits, and fails with the reason', async t => {
    await ok(`sed -i 's/access: owner/access: everybody/' /etc/podfs/podfs.yaml
      systemctl reload podfs`)
    t.equal(await out('stat -c %A /srv/podfs'), 'drwxr-xr-x', 'applied')
    await ok(`sed -i 's/access: everybody/access: all/' /etc/podfs/podfs.yaml`)
    t.equal((await sh('systemctl reload podfs')).code, 1)
    t.match(await out('journalctl -u podfs'), /podfs.yaml:\d+:\d+: .*access/)
    t.equal(await out('systemctl is-active podfs'), 'active')
    await ok(`sed -i 's/access: all/access: everybody/' /etc/podfs/podfs.yaml`)
  })

  await t.test('a restart keeps the mount, and who is in there', async t => {
    const before = [await device(), await mainPid()]
    t.equal(
      await out(
        `cd /srv/podfs && exec 9<${file} && systemctl restart podfs && cat <&9 && cat default/configmaps/settings/colour`,
      ),
      'blueblue',
    )
    t.equal(await device(), before[0], 'the same mount')
    t.not(await mainPid(), before[1], 'another podfs')
  })

  await t.test('with run-pods.conf it runs Pods', async t => {
    await ok(`install -D -m 644 /usr/local/share/doc/podfs/run-pods.conf \
        /etc/systemd/system/podfs.service.d/run-pods.conf
      systemctl daemon-reload && systemctl restart podfs`)
    await until('podfs logs web | grep -q it.is')
    t.equal(await out('podfs logs web'), 'it is blue')
    await statusLine('1 Pod running')
  })

  /** The Pod's shim, and the parent of its container's program, which ends when that does. */
  const pod = () =>
    out(`for pid in $(${processesOf('podfs')}); do
      ! tr '\\0' ' ' </proc/$pid/cmdline | grep -q -e /pod-shim.cjs -e /unshare || echo $pid
    done`)
  const survives: Readonly<Record<string, string>> = {
    'a restart': 'systemctl restart podfs',
    'a crash': 'kill -KILL $(systemctl show -P MainPID podfs)',
  }
  for (const [what, command] of Object.entries(survives))
    await t.test(`${what} keeps Pods`, async t => {
      const before = await pod()
      const main = await mainPid()
      t.equal(before.split('\n').length, 2, before)
      await ok(command)
      await until(
        `[ $(systemctl show -P MainPID podfs) != ${main} ] && systemctl -q is-active podfs`,
      )
      await statusLine('1 Pod running')
      t.equal(await pod(), before, 'the same processes')
      await until('podfs logs web | grep -q it.is')
      t.equal(await out('podfs logs web'), 'it is blue', 'with their output')
      t.match(await out('podfs get pods'), /web +1\/1 +Running +0 /)
    })

  const cgroups = '/sys/fs/cgroup/podfs/*/c-1/cgroup.procs'
  await t.test('a Pod with limits has cgroups beside the unit', async t => {
    await ok(`cat > /srv/k8s/limited.yaml <<'END'
apiVersion: v1
kind: Pod
metadata: {name: limited, annotations: {podfs.io/run: "true"}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: debian
    command: [sh, -c, "grep 0:: /proc/self/cgroup; exec sleep 100000"]
    resources: {limits: {memory: 64Mi, cpu: 100m}}
END`)
    await until('podfs logs limited | grep -q podfs')
    t.match(await out('podfs logs limited'), /^0::\/podfs\/pod[-\w]+\/c-1$/)
    const processes = await out(`cat ${cgroups}`)
    t.match(processes, /\d/)
    const main = await mainPid()
    await ok('systemctl daemon-reload && systemctl restart podfs')
    await until(`[ $(systemctl show -P MainPID podfs) != ${main} ]`)
    await statusLine('2 Pods running')
    t.equal(await out(`cat ${cgroups}`), processes)
    t.match(
      await out('journalctl -u podfs --no-pager -o cat'),
      /limits and requests are only emulated: there is no controller memory/,
      'this one has hugetlb alone',
    )
  })

  await t.test('stop leaves nothing', async t => {
    const processes = await out(
      `${processesOf('podfs')}; cat ${cgroups}`.replaceAll('\n', ' '),
    )
    t.match(processes, /\d/)
    await ok('systemctl stop podfs')
    t.equal(await out(countMounts), '0')
    t.equal(await out('ls /run/podfs'), '')
    t.equal(await out(running(processes)), '', 'nor a process')
    t.equal(await out('ls -d /sys/fs/cgroup/podfs'), '', 'nor a cgroup')
  })
})

/** A user manager as logind would start it, which needs a bus that is not there. */
const manager = (user: string, uid: number): string => `
  mkdir -p /run/user/${uid} /home/${user}/.config/podfs
  chown -R ${uid} /run/user/${uid} /home/${user}
  chmod 700 /run/user/${uid}
  cat > /run/systemd/system/manager-${uid}.service <<'END'
[Service]
Type=notify
Delegate=yes
User=${uid}
Environment=XDG_RUNTIME_DIR=/run/user/${uid} HOME=/home/${user}
ExecStart=/lib/systemd/systemd --user
KillMode=mixed
END
  systemctl daemon-reload && systemctl start manager-${uid}`

t.test('the daemon as a unit of one user', { skip: cannotBoot() }, async t => {
  const { out, ok, until } = await machine(t)
  const file = '/srv/podfs/default/configmaps/settings/colour'
  const systemctl = 'XDG_RUNTIME_DIR=/run/user/0 systemctl --user'
  const mainPid = () => out(`${systemctl} show -P MainPID podfs`)
  const device = () => out('stat -c %d /srv/podfs')

  await ok(`mkdir /srv/k8s && cat > /srv/k8s/web.yaml <<'END'\n${manifests}END`)
  await ok(
    `sed -i 's#manifests: .*#manifests: [/srv/k8s]#' /etc/podfs/podfs.yaml`,
  )
  await ok(manager('admin', 0))

  await t.test('everything is published when it has started', async t => {
    await ok(`${systemctl} start podfs`)
    t.equal(await out(`cat ${file}`), 'blue')
  })

  await t.test('reload applies', async t => {
    await ok(`sed -i 's/access: owner/access: everybody/' /etc/podfs/podfs.yaml
      ${systemctl} reload podfs`)
    t.equal(await out('stat -c %A /srv/podfs'), 'drwxr-xr-x')
  })

  const survives: Readonly<Record<string, string>> = {
    'a restart': `${systemctl} restart podfs`,
    'a crash': `kill -KILL $(${systemctl} show -P MainPID podfs)`,
  }
  for (const [what, command] of Object.entries(survives))
    await t.test(`${what} keeps the mount`, async t => {
      const before = [await device(), await mainPid()]
      await ok(command)
      await until(
        `[ $(${systemctl} show -P MainPID podfs) != ${before[1]} ] && ${systemctl} -q is-active podfs`,
      )
      t.equal(await device(), before[0], 'the same mount')
      t.not(await mainPid(), before[1], 'another podfs')
      t.equal(await out(`cat ${file}`), 'blue')
    })

  await t.test('enabled, it comes and goes with the manager', async t => {
    await ok(`${systemctl} enable podfs && systemctl stop manager-0`)
    t.equal(await out(countMounts), '0')
    t.equal(await out('ls /run/podfs'), '')
    await ok('systemctl start manager-0')
    await until(`${systemctl} -q is-active podfs`)
    t.equal(await out(`cat ${file}`), 'blue')
    await ok(`${systemctl} stop podfs`)
    t.equal(await out(countMounts), '0')
    t.equal(await out('ls /run/podfs'), '')
  })

  await t.test('of an ordinary user’s, too', async t => {
    await ok(`mkdir -p /home/dev/.config/podfs /home/dev/k8s
      cat > /home/dev/k8s/web.yaml <<'END'\n${manifests}END
      echo 'sources: {manifests: [/home/dev/k8s]}' > /home/dev/.config/podfs/podfs.yaml
      ${manager('dev', 1000)}`)
    const asUser =
      'setpriv --reuid 1000 --regid 1000 --clear-groups env XDG_RUNTIME_DIR=/run/user/1000 HOME=/home/dev'
    const unit = `${asUser} systemctl --user`
    const pid = () => out(`${unit} show -P MainPID podfs`)
    const web = `${asUser} podfs logs web`
    const containers = "busybox pgrep -f '^sh -c trap'"
    await ok(`${unit} start podfs`)
    await until(`[ "$(${web})" = 'it is blue' ]`)
    t.match(
      await out(`${unit} status podfs`),
      /Status: "2 volumes at \/run\/user\/1000\/podfs-root, [01] Pods? running"/,
    )
    const [before, container] = [await pid(), await out(containers)]
    await ok(`${unit} restart podfs && ${unit} -q is-active podfs`)
    t.not(await pid(), before, 'another podfs')
    t.equal(await out(containers), container, 'the same Pod')
    await ok(`${unit} stop podfs`)
    t.equal(await out('ls /run/user/1000/podfs'), '')
    t.equal(await out(`${containers} || true`), '')
  })
})
