import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { endianness } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { defaultCapabilities } from '../../../src/linux/capabilities.ts'
import { containerFilter } from '../../../src/runner/sandbox/seccomp/container-filter.ts'
import { defaultProfile } from '../../../src/runner/sandbox/seccomp/default-profile.ts'
import { compileFilter } from '../../../src/runner/sandbox/seccomp/filter.ts'
import {
  parseProfile,
  type ArgumentRule,
} from '../../../src/runner/sandbox/seccomp/profile.ts'
import {
  isFilteredArch,
  syscallNumbers,
} from '../../../src/runner/sandbox/seccomp/syscall-numbers.ts'

const allowed = 0x7fff0000
const refused = (errno: number): number => 0x00050000 + errno
const x64 = 0xc000003e

/** What the kernel does with a filter: linux/filter.h, of what podfs uses. */
function run(
  filter: Buffer,
  number: number,
  args: readonly bigint[] = [],
  arch = x64,
): number {
  const data = Buffer.alloc(64)
  data.writeUInt32LE(number, 0)
  data.writeUInt32LE(arch, 4)
  for (const [i, arg] of args.entries())
    data.writeBigUInt64LE(BigInt.asUintN(64, arg), 16 + 8 * i)
  let accumulator = 0
  for (let at = 0; at < filter.length; at += 8) {
    const code = filter.readUInt16LE(at)
    const value = filter.readUInt32LE(at + 4)
    const jump = (holds: boolean): void => {
      at += 8 * filter.readUInt8(at + (holds ? 2 : 3))
    }
    if (code === 0x20) accumulator = data.readUInt32LE(value)
    else if (code === 0x54) accumulator = (accumulator & value) >>> 0
    else if (code === 0x15) jump(accumulator === value)
    else if (code === 0x25) jump(accumulator > value)
    else if (code === 0x35) jump(accumulator >= value)
    else if (code === 0x06) return value
    else throw new Error(`no instruction ${code}`)
  }
  throw new Error('the end was reached')
}

const numbers = syscallNumbers('x64')
const numberOf = (name: string): number => numbers.get(name) ?? NaN
const skip = endianness() === 'LE' ? false : 'the interpreter is little-endian'

t.test('the numbers of system calls', async t => {
  for (const [arch, name, number] of [
    ['x64', 'read', 0],
    ['x64', 'openat', 257],
    ['x64', 'rseq', 334],
    ['x64', 'pidfd_send_signal', 424],
    ['x64', 'clone3', 435],
    ['arm64', 'io_setup', 0],
    ['arm64', 'openat', 56],
    ['arm64', 'newfstatat', 79],
    ['arm64', 'wait4', 260],
    ['arm64', 'rseq', 293],
    ['arm64', 'mseal', 462],
  ] as const)
    t.equal(syscallNumbers(arch).get(name), number, `${arch} ${name}`)
})

t.test('the profile of a container run-time', { skip }, async t => {
  const filter = compileFilter(defaultProfile(defaultCapabilities), 'x64')
  const call = (name: string, ...args: bigint[]): number =>
    run(filter, numberOf(name), args)
  for (const name of ['read', 'execve', 'futex_waitv', 'chroot', 'openat2'])
    t.equal(call(name), allowed, name)
  for (const name of ['mount', 'bpf', 'reboot', 'keyctl', 'io_uring_setup'])
    t.equal(call(name), refused(1), name)
  t.equal(run(filter, 5000), refused(1), 'of a later kernel')
  t.equal(call('clone', 0x1200011n), allowed)
  t.equal(call('clone', 0x10000000n), refused(1), 'with a user namespace')
  t.equal(call('clone3'), refused(38))
  t.equal(call('socket', 2n), allowed)
  t.equal(call('socket', 40n), refused(1))
  t.equal(call('personality', 0xffffffffn), allowed)
  t.equal(call('personality', 4n), refused(1))
  t.equal(run(filter, 0x40000000), refused(38), 'of x32')
  t.equal(run(filter, 0, [], 0x40000003), refused(38), 'of 32 bits')

  const mighty = compileFilter(
    defaultProfile([...defaultCapabilities, 'SYS_ADMIN']),
    'x64',
  )
  for (const name of ['mount', 'clone', 'clone3'])
    t.equal(run(mighty, numberOf(name), [0x10000000n]), allowed, name)
})

t.test('arguments', { skip }, async t => {
  const big = 2 ** 33 + 5
  const values = [
    0n,
    4n,
    5n,
    6n,
    2n ** 33n + 4n,
    2n ** 33n + 5n,
    2n ** 33n + 6n,
    2n ** 34n,
    -1n,
  ]
  const holds: Readonly<Record<string, (a: bigint, b: bigint) => boolean>> = {
    SCMP_CMP_EQ: (a, b) => a === b,
    SCMP_CMP_NE: (a, b) => a !== b,
    SCMP_CMP_GT: (a, b) => a > b,
    SCMP_CMP_GE: (a, b) => a >= b,
    SCMP_CMP_LT: (a, b) => a < b,
    SCMP_CMP_LE: (a, b) => a <= b,
    SCMP_CMP_MASKED_EQ: (a, b) => (a & b) === 5n,
  }
  for (const [op, isSo] of Object.entries(holds))
    for (const value of [5, big]) {
      const rule: ArgumentRule = { index: 1, value, valueTwo: 5, op }
      const first: ArgumentRule = { index: 0, value: 7, op: 'SCMP_CMP_EQ' }
      const filter = compileFilter(
        {
          defaultAction: 'SCMP_ACT_KILL_PROCESS',
          syscalls: [
            {
              names: ['read', 'none'],
              action: 'SCMP_ACT_ALLOW',
              args: [first, rule],
            },
          ],
        },
        'x64',
      )
      for (const argument of values) {
        const expected = isSo(BigInt.asUintN(64, argument), BigInt(value))
        t.equal(
          run(filter, 0, [7n, argument]),
          expected ? allowed : 0x80000000,
          `${argument} ${op} ${value}`,
        )
        t.equal(run(filter, 0, [8n, argument]), 0x80000000)
      }
    }
})

t.test('profiles that cannot be used', async t => {
  const text = (profile: object): string => JSON.stringify(profile)
  for (const [profile, message] of [
    ['{', /^no JSON: /],
    ['null', 'it has no defaultAction'],
    [
      text({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{}] }),
      /^syscalls must/,
    ],
  ] as const)
    t.throws(() => parseProfile(profile), { message })
  const compile = (more: object) =>
    compileFilter(
      parseProfile(text({ defaultAction: 'SCMP_ACT_ALLOW', ...more })),
      'x64',
    )
  t.throws(() => compile({ defaultAction: 'SCMP_ACT_NOTIFY' }), {
    message: 'podfs cannot do the action "SCMP_ACT_NOTIFY"',
  })
  const args = [{ index: 0, value: 0, op: 'SCMP_CMP_NONE' }]
  t.throws(
    () =>
      compile({
        syscalls: [{ names: ['read'], action: 'SCMP_ACT_LOG', args }],
      }),
    { message: 'there is no comparison "SCMP_CMP_NONE"' },
  )
  t.throws(
    () =>
      containerFilter({
        privileged: false,
        capabilities: [],
        seccomp: { profile: '/none.json' },
      }),
    { message: /^cannot load seccomp profile "\/none.json": ENOENT/ },
  )
})

/*
 * As setpriv of util-linux 2.40 does it, which not every machine has: without the rest of it, by a
 * library that calls C.
 */
const loader = `
  const { readFileSync } = require('node:fs')
  const { spawnSync } = require('node:child_process')
  const koffi = require(process.argv[1])
  const bytes = readFileSync(process.argv[2])
  koffi.struct('sock_fprog', { len: 'uint16', filter: 'uint8 *' })
  const libc = koffi.load(null)
  const prctl = libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)')
  const syscall = libc.func('long syscall(long, unsigned int, unsigned int, sock_fprog *)')
  const failed = prctl(38, 1, 0, 0, 0) ||
    syscall(Number(process.argv[3]), 1, 1, { len: bytes.length / 8, filter: bytes })
  if (failed) throw new Error('the kernel does not take the filter')
  const { stdout } = spawnSync('sh', ['-c', process.argv[4]], { encoding: 'utf8' })
  process.stdout.write(stdout)
`

t.test('the kernel takes them', async t => {
  const { arch } = process
  if (!isFilteredArch(arch)) {
    t.pass(`there are none for ${arch}`)
    return
  }
  const dir = t.testdir()
  mkdirSync(dir, { recursive: true })
  const sees = (filter: Buffer, script: string): string => {
    const file = path.join(dir, 'filter')
    writeFileSync(file, filter)
    const number = syscallNumbers(arch).get('seccomp')
    const koffi = createRequire(path.resolve('package.json')).resolve('koffi')
    return execFileSync(
      process.execPath,
      ['-e', loader, koffi, file, String(number), script],
      { encoding: 'utf8', env: { PATH: process.env['PATH'] } },
    )
  }
  t.equal(
    sees(
      compileFilter(defaultProfile(defaultCapabilities), arch),
      `grep Seccomp: /proc/self/status; unshare -r true 2>&1; echo $(ls -d /etc); (sleep 0 &) ; ${process.execPath} -p 1+1`,
    ),
    'Seccomp:\t2\nunshare: unshare failed: Operation not permitted\n/etc\n2\n',
  )
  const noDirectories = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [
      { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 5 },
    ],
  }
  t.match(
    sees(compileFilter(noDirectories, arch), `mkdir ${dir}/x 2>&1`),
    'Input/output error',
  )
})
