import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { capability, needsRoot } from './capability.ts'

/** For `skip`: what Pods with networks of their own take of a machine. */
export function lacksNetworks(): string | false {
  const needed = [
    ...['bridge', 'host-local', 'portmap', 'loopback'].map(
      name => `/usr/lib/cni/${name}`,
    ),
    'ip',
    'iptables',
    'busybox',
  ]
  return (
    needsRoot('machine') ||
    (needed.map(capability).find(lack => lack !== false) ?? false)
  )
}

/**
 * A network namespace in the place of the machine's, for podfs and for who asks its Pods, with a
 * run-time directory of its own: no other podfs clears away what one has left there.
 */
export interface NetworkWorld {
  /** Put before podfs. */
  readonly wrapper: readonly string[]
  /** Runs a command there, and gives what it says; undefined when it fails. */
  readonly run: (...argv: readonly string[]) => Promise<string | undefined>
  /** A server out there, of which the world knows nothing but a default route. */
  readonly outside: string
  /** What is there of Pods: interfaces, rules, files. */
  readonly left: () => Promise<readonly string[]>
}

export async function networkWorld(t: Test): Promise<NetworkWorld> {
  const world = await hold(t)
  const outside = await hold(t)
  const enter = (pid: number): string[] => [
    'nsenter',
    `--target=${pid}`,
    '--net',
    '--mount',
    '--',
  ]
  const runIn = async (
    pid: number,
    argv: readonly string[],
  ): Promise<string | undefined> => {
    const [program = '', ...args] = [...enter(pid), ...argv]
    try {
      return (await promisify(execFile)(program, args)).stdout
    } catch {
      return undefined
    }
  }
  const setUp = async (pid: number, script: string): Promise<void> => {
    const done = await runIn(pid, ['sh', '-ec', `${script}\necho done`])
    if (done !== 'done\n') throw new Error(`cannot set up: ${script}`)
  }
  await setUp(
    world,
    `ip link set lo up
    ip link add up0 type veth peer name out0
    ip link set out0 netns ${outside}
    ip address add 198.51.100.1/24 dev up0
    ip link set up0 up
    ip route add default via 198.51.100.2`,
  )
  const pages = await mkdtemp('/tmp/podfs-outside-')
  t.teardown(() => rm(pages, { recursive: true, force: true }))
  await writeFile(path.join(pages, 'index.html'), 'outside\n')
  await setUp(
    outside,
    `ip address add 198.51.100.2/24 dev out0
    ip link set out0 up`,
  )
  const [nsenter = '', ...args] = enter(outside)
  const server = spawn(
    nsenter,
    [...args, 'busybox', 'httpd', '-f', '-p', '198.51.100.2:80', '-h', pages],
    { stdio: 'ignore' },
  )
  t.teardown(() => server.kill('SIGKILL'))
  const { ino } = statSync(`/proc/${world}/ns/net`)
  return {
    // nsenter's own working directory is the one outside, which is not seen in there.
    wrapper: [...enter(world), 'env', `--chdir=${process.cwd()}`],
    run: (...argv) => runIn(world, argv),
    outside: '198.51.100.2',
    left: async () => {
      const links = await runIn(world, ['ip', '-oneline', 'link', 'show'])
      const addresses = await runIn(
        world,
        'ip -oneline -4 address show dev lo'.split(' '),
      )
      const rules = await runIn(world, [
        'sh',
        '-c',
        'iptables -w -S; iptables -w -S -t nat',
      ])
      const directory = `/proc/${world}/root/run/podfs/network/${ino}`
      return [
        ...lines(links).filter(line => !/^\d+: (lo|up0@\S+):/.test(line)),
        ...lines(addresses).filter(line => !line.includes(' 127.0.0.1/8 ')),
        // Those that portmap makes once for all who use it.
        ...lines(rules).filter(line => !/^-P |CNI-HOSTPORT-/.test(line)),
        ...(existsSync(directory) ? readdirSync(directory) : [])
          .filter(name => name !== 'lock')
          .map(name => path.join(directory, name)),
      ]
    },
  }
}

function lines(text = ''): string[] {
  return text.split('\n').filter(line => line !== '')
}

/** The pid of a process that has a network namespace of its own, and ends with the test. */
async function hold(t: Test): Promise<number> {
  const script = `mkdir -p /run/podfs
    mount -t tmpfs -o mode=0700 podfs-test /run/podfs
    echo; cat`
  const holder = spawn(
    'unshare',
    ['--net', '--mount', '--', 'sh', '-ec', script],
    { stdio: ['pipe', 'pipe', 'ignore'] },
  )
  t.teardown(() => holder.kill('SIGKILL'))
  await once(holder.stdout, 'data')
  return holder.pid as number
}
