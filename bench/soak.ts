/*
 * `podfs serve` under random kills: `npm run bench:soak -- [--kills KILLS] [--seed SEED]`.
 *
 * Twelve Pods with a ConfigMap volume each, and a new version of one of the ConfigMaps every
 * 50 ms. Every 0.2 to 0.7 s (KILLS times, default 150) one of podfs's processes gets a
 * `kill -9`: the daemon, the keeper, the standby, the server or a Pod's shim, as SEED (default
 * 1) says. A daemon that has ended is started again a tenth of a second later, as systemd does.
 *
 * What has to hold, else the exit code is 1:
 *
 * - no container reads a torn generation, or an older one after a newer one;
 * - no two servers answer one connection, at any look (every 10 ms);
 * - when the kills are over, every volume is up to date within seconds, and stays so;
 * - what has been at the root once is never missing there;
 * - no daemon ends by itself, or takes away what the one before it has left;
 * - a clean end has exit code 0 and leaves no mount, no process, no directory.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { killOptions } from './random-kills.ts'

const { kills, seed, random } = killOptions(150)

const runtime = '/run/podfs'
const pods = Array.from({ length: 12 }, (_, i) => i)
const keys = Array.from({ length: 5 }, (_, i) => `key-${i}`)
const editMs = 50
const restartMs = 100
/** A daemon that is started after the last kill, and publishes all that it finds behind. */
const settledMs = 20_000
const targets = ['daemon', 'keeper', 'standby', 'server', 'shim'] as const

const directory = mkdtempSync(path.join(tmpdir(), 'podfs-soak-'))
const root = path.join(directory, 'root')
const manifests = path.join(directory, 'manifests')
const seenFile = (pod: number): string => path.join(directory, `seen-${pod}`)
const logFile = path.join(directory, 'podfs.log')
const began = performance.now()
const story: string[] = []
const failures: string[] = []

function note(text: string): void {
  story.push(`${((performance.now() - began) / 1000).toFixed(3)} ${text}`)
}

function fail(text: string): void {
  note(`FAILED: ${text}`)
  failures.push(text)
}

/* Edits */

interface Edit {
  readonly value: number
  readonly at: number
}
/** Of each ConfigMap, oldest first; those that every reader has passed are dropped. */
const edits: Edit[][] = pods.map(() => [])
let newest = 0

function save(pod: number): void {
  newest += 1
  const data = keys.map(key => `  ${key}: "${newest}\\n"\n`).join('')
  const file = path.join(manifests, `map-${pod}.yaml`)
  writeFileSync(
    `${file}~`,
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map-${pod}}\ndata:\n${data}`,
  )
  renameSync(`${file}~`, file)
  edits[pod]?.push({ value: newest, at: performance.now() })
}

/** Reads generations, from one directory each, for ever; a new value becomes a line. */
function readerScript(pod: number): string {
  return `exec 2>/dev/null; last=; echo start >>${seenFile(pod)}
while :; do
  if cd -P /v/..data; then
    all=
    for key in ${keys.join(' ')}; do read value <$key || value=gone; all="$all $value"; done
    [ "$all" = "$last" ] || echo "$all" >>${seenFile(pod)}; last=$all
  fi
  sleep 0.1
done`
}

function podManifest(pod: number): string {
  return `---
apiVersion: v1
kind: Pod
metadata: {name: pod-${pod}, annotations: {podfs.io/run: "true"}}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  containers:
  - name: reader
    image: debian
    command: [sh, -c, ${JSON.stringify(readerScript(pod))}]
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, configMap: {name: map-${pod}}}]
`
}

/* The daemon, and whoever starts it again */

const state: { daemon: ChildProcess | undefined; isOver: boolean } = {
  daemon: undefined,
  isOver: false,
}
/** What it has said before the present daemon. */
let readyFrom = 0
/** Ends that were meant. */
const killed = new Set<ChildProcess>()

function startDaemon(): ChildProcess {
  const log = openSync(logFile, 'a')
  readyFrom = textOf(logFile).length
  const daemon = spawn(
    process.execPath,
    [path.resolve('dist/podfs.cjs'), 'serve', '-f', manifests, '--root', root],
    { stdio: ['ignore', log, log], env: { ...process.env, NO_COLOR: '1' } },
  )
  closeSync(log)
  state.daemon = daemon
  note(`daemon ${daemon.pid}`)
  return daemon
}

async function superviseDaemon(): Promise<void> {
  while (!state.isOver) {
    const daemon = state.daemon ?? startDaemon()
    if (daemon.exitCode === null && daemon.signalCode === null)
      await once(daemon, 'exit')
    if (state.isOver) return
    if (!killed.has(daemon))
      fail(`daemon ${daemon.pid} ended by itself, exit code ${daemon.exitCode}`)
    await delay(restartMs)
    state.daemon = undefined
  }
}

/* The other processes */

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function sessions(): string[] {
  return readdirSync(runtime)
    .map(name => path.join(runtime, name))
    .filter(each =>
      textOf(path.join(each, 'session.json')).includes(JSON.stringify(root)),
    )
}

interface Process {
  readonly pid: number
  readonly words: readonly string[]
}

/** Every process that podfs has started for these sessions, by its words. */
function processes(): Process[] {
  const own = sessions()
  const found: Process[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const words = textOf(`/proc/${name}/cmdline`).split('\0')
    if (!words.some(word => own.some(each => isWithin(word, each)))) continue
    found.push({ pid: Number(name), words })
  }
  return found
}

function isWithin(word: string, directory: string): boolean {
  return word === directory || word.startsWith(`${directory}/`)
}

function isServer({ words }: Process): boolean {
  return words[1]?.endsWith('fuse-server.cjs') === true
}

/** The descriptor that a process reads from just now: 3 is the connection. */
function readsFrom(pid: number): number | undefined {
  const [call, fd] = textOf(`/proc/${pid}/syscall`).split(' ')
  // read(2), on x86-64 and on arm64.
  return call === '0' || call === '63' ? Number(fd) : undefined
}

/**
 * A daemon that is not ready yet is spared three times of four: else none would ever come so far
 * on a slow machine.
 */
function chooseTarget(): (typeof targets)[number] {
  const target = targets[Math.floor(random() * targets.length)] ?? 'daemon'
  if (target !== 'daemon' || random() < 0.25) return target
  return isReady() ? target : 'server'
}

/** The daemon that runs now has said so. */
function isReady(): boolean {
  return textOf(logFile).slice(readyFrom).includes(' ready')
}

function choose(target: (typeof targets)[number]): number | undefined {
  if (target === 'daemon') return state.daemon?.pid
  const found = processes().filter(({ pid, words }) => {
    switch (target) {
      case 'keeper':
        return sessions().some(each =>
          [each, ...again(each)].some(
            mount => Number(textOf(path.join(mount, 'keeper.pid'))) === pid,
          ),
        )
      case 'shim':
        return words[1]?.endsWith('pod-shim.cjs') === true
      case 'standby':
        return isServer({ pid, words }) && readsFrom(pid) === 0
      case 'server':
      default:
        return isServer({ pid, words }) && readsFrom(pid) !== 0
    }
  })
  return found[Math.floor(random() * found.length)]?.pid
}

/** The directories of fresh mounts. */
function again(session: string): string[] {
  return readdirSync(session)
    .filter(name => name.startsWith('again-'))
    .map(name => path.join(session, name))
}

async function killAtRandom(): Promise<void> {
  for (let n = 1; n <= kills; n++) {
    await delay(200 + random() * 500)
    const target = chooseTarget()
    const pid = choose(target)
    note(`kill ${n}: ${target} ${pid ?? 'is not there'}`)
    if (pid === undefined) continue
    if (pid === state.daemon?.pid) killed.add(state.daemon)
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Two that wait for requests of one mount, at the same moment. */
async function watchServers(): Promise<void> {
  const told = new Set<string>()
  for (; !state.isOver; await delay(10)) {
    const serving = new Map<string, number[]>()
    for (const each of processes().filter(isServer)) {
      if (readsFrom(each.pid) !== 3) continue
      const mount = each.words[2] ?? ''
      serving.set(mount, [...(serving.get(mount) ?? []), each.pid])
    }
    for (const [mount, pids] of serving) {
      const still = pids.filter(pid => readsFrom(pid) === 3)
      const key = still.toSorted((a, b) => a - b).join(' ')
      if (still.length < 2 || told.has(key)) continue
      told.add(key)
      fail(`servers ${key} answer one connection, ${mount}`)
    }
  }
}

/* What is seen from outside */

const lags: number[] = []
/** Code of the error, how often. */
const readErrors = new Map<string, number>()

/** Whose volume has been seen at the root. */
const shown = new Set<number>()

/** Which part of the path is not there, and what is mounted at the root. */
function missingAt(pod: number): string {
  const parts = ['default', 'pods', `pod-${pod}`, 'v', '..data', keys[0] ?? '']
  const missing = parts.find(
    (_, at) => !existsSync(path.join(root, ...parts.slice(0, at + 1))),
  )
  const mounted = textOf('/proc/self/mountinfo')
    .split('\n')
    .filter(line => line.includes(` ${root} `))
    .map(line => line.split(' ').slice(0, 3).join(' '))
  return `${missing ?? 'nothing'} is missing; mounted: ${mounted.join(', ')}`
}

async function readKey(pod: number): Promise<string> {
  const file = path.join(root, `default/pods/pod-${pod}/v/${keys.at(-1)}`)
  for (let look = 1; ; look++)
    try {
      return await readFile(file, 'utf8')
    } catch (error) {
      // Of a directory that was replaced in the middle of a look; not several times.
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT' || look === 5) throw error
    }
}

/** How long a volume has been behind; 0: it is up to date. */
async function behindMs(pod: number): Promise<number> {
  const waiting = edits[pod] ?? []
  const first = waiting[0]?.at ?? performance.now()
  try {
    const value = Number(await readKey(pod))
    shown.add(pod)
    while (waiting.length > 0 && (waiting[0]?.value ?? 0) <= value)
      waiting.shift()
    return waiting.length === 0 ? 0 : performance.now() - (waiting[0]?.at ?? 0)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    readErrors.set(code, (readErrors.get(code) ?? 0) + 1)
    if (code === 'ENOENT' && shown.delete(pod))
      fail(`the volume of Pod ${pod} is missing: ${missingAt(pod)}`)
    return performance.now() - first
  }
}

async function watchVolumes(): Promise<void> {
  for (; !state.isOver; await delay(100))
    lags.push(Math.max(...(await Promise.all(pods.map(behindMs)))))
}

/** All volumes, without an edit meanwhile. */
async function settle(): Promise<number> {
  const from = performance.now()
  for (;;) {
    const behind = await Promise.all(pods.map(behindMs))
    const late = pods.filter(pod => behind[pod] !== 0)
    const ms = performance.now() - from
    if (late.length === 0) return ms
    if (ms > settledMs) {
      fail(`not up to date after ${settledMs / 1000} s: Pods ${late.join(' ')}`)
      for (const pod of late) await noteVolume(pod)
      return ms
    }
    await delay(50)
  }
}

/** What podfs says of a volume that is behind, and what is shown. */
async function noteVolume(pod: number): Promise<void> {
  const key = await readKey(pod).catch(String)
  const wanted = edits[pod]?.map(({ value }) => value).join(' ')
  note(`Pod ${pod} shows ${key.trim()}, wanted ${wanted}`)
  const get = spawn(
    process.execPath,
    ['dist/podfs.cjs', 'get', 'volumes', `pod-${pod}`, '-o', 'yaml'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  for (const stream of [get.stdout, get.stderr])
    stream.on('data', text => note(String(text)))
  await once(get, 'close')
}

function checkReaders(): number {
  let generations = 0
  for (const pod of pods) {
    let last = 0
    for (const line of textOf(seenFile(pod)).split('\n')) {
      if (line === '') continue
      if (line === 'start') {
        last = 0
        continue
      }
      const seen = new Set(line.trim().split(' '))
      // Of a directory that was replaced in the middle of a read.
      seen.delete('gone')
      if (seen.size === 0) continue
      if (seen.size > 1) fail(`Pod ${pod} has read a torn generation: ${line}`)
      const [value = 0] = [...seen].map(Number)
      if (value < last) fail(`Pod ${pod} has read ${value} after ${last}`)
      last = value
      generations++
    }
  }
  return generations
}

async function main(): Promise<void> {
  const load = (loadavg()[0] ?? 0).toFixed(1)
  mkdirSync(manifests)
  for (const pod of pods) {
    save(pod)
    writeFileSync(path.join(manifests, `pod-${pod}.yaml`), podManifest(pod))
  }
  const supervising = superviseDaemon()
  const started = (): boolean =>
    pods.every(pod => textOf(seenFile(pod)).includes('\n '))
  while (!started()) await delay(50)
  note('all containers read')
  const watching = [watchServers(), watchVolumes()]
  const editing = { isOver: false }
  const edited = (async () => {
    for (let n = 0; !editing.isOver; n++) {
      save(n % pods.length)
      await delay(editMs)
    }
  })()
  await killAtRandom()
  editing.isOver = true
  await edited
  note('the last kill')
  const settledAfter = await settle()
  note('settled')
  await endCleanly()
  await Promise.all([supervising, ...watching])
  const generations = checkReaders()
  const log = textOf(logFile)
  if (log.includes('is cleared away'))
    fail('a daemon has cleared away what one before it has left')
  const failed = log.match(
    /(?:cannot be published|MountVolume.SetUp failed).*/g,
  )
  const sorted = lags.toSorted((a, b) => a - b)
  const at = (share: number): string =>
    ((sorted[Math.floor(share * (sorted.length - 1))] ?? 0) / 1000).toFixed(2)
  console.log(
    `seed ${seed}: ${kills} kills, ${newest} edits, load average ${load} before, ${cpus().length} cores: ` +
      `${generations} generations read by containers; most behind at a look: median ${at(0.5)} s, p99 ${at(0.99)} s, most ${at(1)} s; ` +
      `up to date ${(settledAfter / 1000).toFixed(1)} s after the last kill; ` +
      `errors at the root ${JSON.stringify(Object.fromEntries(readErrors))}; ` +
      `volumes that were reported as not published ${failed?.length ?? 0} times; ` +
      (failures.length === 0 ? 'nothing failed' : `FAILED: ${failures.length}`),
  )
  if (failures.length === 0)
    return rmSync(directory, { recursive: true, force: true })
  process.exitCode = 1
  writeFileSync(path.join(directory, 'story'), `${story.join('\n')}\n`)
  for (const failure of failures) console.log(`  ${failure}`)
  console.log(`  ${directory}/story and podfs.log say more`)
}

async function endCleanly(): Promise<void> {
  const own = sessions()
  const before = processes()
  state.isOver = true
  const { daemon } = state
  if (daemon === undefined) return fail('no daemon at the end')
  daemon.kill('SIGTERM')
  const timeout = delay(60_000, 'timeout', { ref: false })
  const ended = daemon.exitCode === null ? once(daemon, 'exit') : [0]
  if ((await Promise.race([ended, timeout])) === 'timeout')
    return fail('the daemon has not ended after 60 s')
  if (daemon.exitCode !== 0)
    fail(`a clean end has exit code ${daemon.exitCode}`)
  for (const line of textOf('/proc/self/mountinfo').split('\n'))
    if ([root, ...own].some(each => line.includes(` ${each}`)))
      fail(`still mounted: ${line}`)
  for (const each of [root, ...own])
    if (existsSync(each)) fail(`still there: ${each}`)
  for (const { pid, words } of before)
    if (textOf(`/proc/${pid}/cmdline`) === words.join('\0') && isThere(pid))
      fail(`still running: ${pid} ${words.join(' ')}`)
}

/** A zombie has ended. */
function isThere(pid: number): boolean {
  try {
    readlinkSync(`/proc/${pid}/exe`)
    return true
  } catch {
    return false
  }
}

await main()
