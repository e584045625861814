import { endianness } from 'node:os'
import type { ArgumentRule, SeccompProfile, SyscallRule } from './profile.ts'
import { syscallNumbers, type FilteredArch } from './syscall-numbers.ts'

/*
 * From a profile to the classic BPF program that the kernel runs before each system call
 * (seccomp(2), linux/filter.h): pure. Numbers that lead to the same are one range, and the program
 * compares with the end of one range after the other. The kernel remembers numbers for which the
 * answer does not hang on arguments, so that the length of the way costs nothing.
 */

/** linux/seccomp.h, struct seccomp_data. */
const offsets = { number: 0, arch: 4, arguments: 16 } as const

/** linux/bpf_common.h */
const opcodes = {
  loadWord: 0x20,
  and: 0x54,
  jumpIfEqual: 0x15,
  jumpIfGreater: 0x25,
  jumpIfGreaterOrEqual: 0x35,
  return: 0x06,
} as const

/** linux/audit.h */
const auditArch: Readonly<Record<FilteredArch, number>> = {
  x64: 0xc000003e,
  arm64: 0xc00000b7,
}

/** asm/unistd.h: system calls of the x32 ABI have this bit. */
const x32Bit = 0x40000000

const errno = { EPERM: 1, ENOSYS: 38 } as const

/** linux/seccomp.h, SECCOMP_RET_*. */
function returned(action: string, errnoRet: number = errno.EPERM): number {
  switch (action) {
    case 'SCMP_ACT_ALLOW':
      return 0x7fff0000
    case 'SCMP_ACT_LOG':
      return 0x7ffc0000
    case 'SCMP_ACT_ERRNO':
      return 0x00050000 + errnoRet
    case 'SCMP_ACT_TRAP':
      return 0x00030000
    case 'SCMP_ACT_KILL':
    case 'SCMP_ACT_KILL_THREAD':
      return 0
    case 'SCMP_ACT_KILL_PROCESS':
      return 0x80000000
    default:
      throw new Error(`podfs cannot do the action ${JSON.stringify(action)}`)
  }
}

/** `yes` and `no`: how many instructions are left out. */
interface Instruction {
  readonly code: number
  readonly value: number
  readonly yes?: number
  readonly no?: number
}

/**
 * As setpriv --seccomp-filter takes it. Programs of another architecture, such as 32-bit ones,
 * find no system call. Throws an Error for what cannot be made a filter of.
 */
export function compileFilter(
  profile: SeccompProfile,
  arch: FilteredArch,
): Buffer {
  const last = returned(profile.defaultAction, profile.defaultErrnoRet)
  const none = returned('SCMP_ACT_ERRNO', errno.ENOSYS)
  const program: Instruction[] = [
    { code: opcodes.loadWord, value: offsets.arch },
    { code: opcodes.jumpIfEqual, value: auditArch[arch], yes: 1 },
    { code: opcodes.return, value: none },
    { code: opcodes.loadWord, value: offsets.number },
    ...(arch === 'x64'
      ? [
          { code: opcodes.jumpIfGreaterOrEqual, value: x32Bit, no: 1 },
          { code: opcodes.return, value: none },
        ]
      : []),
    ...rangesOf(profile, arch, last).flatMap(({ end, body }) => [
      { code: opcodes.jumpIfGreaterOrEqual, value: end, yes: body.length },
      ...body,
    ]),
    { code: opcodes.return, value: last },
  ]
  return encode(program)
}

interface Range {
  /** The first number that is not of it. */
  readonly end: number
  readonly body: readonly Instruction[]
}

function rangesOf(
  { syscalls = [] }: SeccompProfile,
  arch: FilteredArch,
  last: number,
): readonly Range[] {
  const rules = new Map<number, SyscallRule[]>()
  const numbers = syscallNumbers(arch)
  for (const rule of syscalls)
    for (const name of rule.names) {
      const number = numbers.get(name)
      // One of another architecture, or of a later kernel.
      if (number === undefined) continue
      rules.set(number, [...(rules.get(number) ?? []), rule])
    }
  const ranges: Range[] = []
  let from = 0
  const add = (end: number, body: readonly Instruction[]): void => {
    const before = ranges.at(-1)
    if (before !== undefined && isSame(before.body, body)) ranges.pop()
    ranges.push({ end, body })
    from = end
  }
  const rest = [{ code: opcodes.return, value: last }]
  for (const [number, own] of [...rules].toSorted(([a], [b]) => a - b)) {
    if (number > from) add(number, rest)
    add(number + 1, bodyOf(own, last))
  }
  return ranges
}

function isSame(a: readonly Instruction[], b: readonly Instruction[]): boolean {
  return a.length === 1 && b.length === 1 && a[0]?.value === b[0]?.value
}

/** A rule without arguments holds whatever others say; of those with arguments the first one. */
function bodyOf(rules: readonly SyscallRule[], last: number): Instruction[] {
  const plain = rules.find(({ args = [] }) => args.length === 0)
  const value = (rule: SyscallRule): number =>
    returned(rule.action, rule.errnoRet)
  if (plain !== undefined)
    return [{ code: opcodes.return, value: value(plain) }]
  const body = [
    ...rules.flatMap(rule => conditional(rule.args ?? [], value(rule))),
    { code: opcodes.return, value: last },
  ]
  if (body.length > 255)
    throw new Error(`too many rules for ${rules[0]?.names[0]}`)
  return body
}

/** Returns when all arguments are as they should be, and else goes on after it. */
function conditional(
  args: readonly ArgumentRule[],
  value: number,
): Instruction[] {
  let rest: Instruction[] = [{ code: opcodes.return, value }]
  for (const arg of args.toReversed()) rest = comparison(arg, rest)
  return rest
}

const wordSize = 2n ** 32n

/** `then`, unless the argument is another one. */
function comparison(
  { index, op, value, valueTwo = 0 }: ArgumentRule,
  then: readonly Instruction[],
): Instruction[] {
  const skip = then.length
  const at = offsets.arguments + 8 * index
  const [lowAt, highAt] = endianness() === 'LE' ? [at, at + 4] : [at + 4, at]
  const words = (number: number): [number, number] => {
    const big = BigInt.asUintN(64, BigInt(number))
    return [Number(big / wordSize), Number(big % wordSize)]
  }
  const load = (offset: number): Instruction => ({
    code: opcodes.loadWord,
    value: offset,
  })
  const [high, low] = words(value)
  const { jumpIfEqual, jumpIfGreater, jumpIfGreaterOrEqual } = opcodes
  /** The high words decide, unless they are equal. */
  const greater = (code: number): Instruction[] => [
    load(highAt),
    { code: jumpIfGreater, value: high, yes: 3 },
    { code: jumpIfEqual, value: high, no: skip + 2 },
    load(lowAt),
    { code, value: low, no: skip },
    ...then,
  ]
  const notGreater = (code: number): Instruction[] => [
    load(highAt),
    { code: jumpIfGreater, value: high, yes: skip + 3 },
    { code: jumpIfEqual, value: high, no: 2 },
    load(lowAt),
    { code, value: low, yes: skip },
    ...then,
  ]
  switch (op) {
    case 'SCMP_CMP_EQ':
      return [
        load(highAt),
        { code: jumpIfEqual, value: high, no: skip + 2 },
        load(lowAt),
        { code: jumpIfEqual, value: low, no: skip },
        ...then,
      ]
    case 'SCMP_CMP_NE':
      return [
        load(highAt),
        { code: jumpIfEqual, value: high, no: 2 },
        load(lowAt),
        { code: jumpIfEqual, value: low, yes: skip },
        ...then,
      ]
    case 'SCMP_CMP_MASKED_EQ': {
      const [highTwo, lowTwo] = words(valueTwo)
      return [
        load(highAt),
        { code: opcodes.and, value: high },
        { code: jumpIfEqual, value: highTwo, no: skip + 3 },
        load(lowAt),
        { code: opcodes.and, value: low },
        { code: jumpIfEqual, value: lowTwo, no: skip },
        ...then,
      ]
    }
    case 'SCMP_CMP_GT':
      return greater(jumpIfGreater)
    case 'SCMP_CMP_GE':
      return greater(jumpIfGreaterOrEqual)
    case 'SCMP_CMP_LT':
      return notGreater(jumpIfGreaterOrEqual)
    case 'SCMP_CMP_LE':
      return notGreater(jumpIfGreater)
    default:
      throw new Error(`there is no comparison ${JSON.stringify(op)}`)
  }
}

/** struct sock_filter, in the machine's byte order. */
function encode(program: readonly Instruction[]): Buffer {
  if (program.length > 4096)
    throw new Error(`${program.length} instructions; the kernel takes 4096`)
  const bytes = Buffer.alloc(program.length * 8)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const little = endianness() === 'LE'
  for (const [i, { code, value, yes = 0, no = 0 }] of program.entries()) {
    view.setUint16(i * 8, code, little)
    view.setUint8(i * 8 + 2, yes)
    view.setUint8(i * 8 + 3, no)
    view.setUint32(i * 8 + 4, value, little)
  }
  return bytes
}
