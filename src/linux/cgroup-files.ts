/** What the processes of a cgroup may use together. */
export interface CgroupResources {
  /** Bytes of memory; swap is no way around it. */
  readonly memory?: bigint
  /** The share of the processor when there is not enough for all: 2 to 262144. */
  readonly cpuShares?: number
  /** Microseconds of a processor in each period (`cpuPeriod`). */
  readonly cpuQuota?: number
  /** Bytes of huge pages by their size in bytes; none of the sizes that are not named. */
  readonly hugePages: ReadonlyMap<bigint, bigint>
}

/** Microseconds: a kubelet's (cpuCFSQuotaPeriod). */
export const cpuPeriod = 100_000

/** The controllers that limit or count something here. */
export const usedControllers = ['memory', 'cpu', 'cpuacct', 'hugetlb'] as const

export interface CgroupFile {
  readonly file: string
  readonly value: string
  /** Not every kernel has it. */
  readonly optional?: true
}

/**
 * What is written into which file of a cgroup, in this order. `pageSizes`: the machine's, in bytes.
 * Sources: Documentation/admin-guide/cgroup-v1/memory.rst, hugetlb.rst and
 * Documentation/scheduler/sched-bwc.rst; for v2 Documentation/admin-guide/cgroup-v2.rst; what a
 * container run-time does with both (opencontainers/cgroups, fs and fs2).
 */
export function cgroupFiles(
  {
    version,
    controllers,
  }: {
    readonly version: 1 | 2
    readonly controllers: readonly string[]
  },
  resources: CgroupResources,
  pageSizes: readonly bigint[],
): readonly CgroupFile[] {
  const write = version === 1 ? writersV1 : writersV2
  return [
    ...(controllers.includes('memory') ? write.memory(resources) : []),
    ...(controllers.includes('cpu') ? write.cpu(resources) : []),
    ...(controllers.includes('hugetlb')
      ? pageSizes.map(size => ({
          file: write.hugePages(hugePageName(size)),
          value: String(resources.hugePages.get(size) ?? 0n),
        }))
      : []),
  ]
}

interface Writers {
  memory(resources: CgroupResources): CgroupFile[]
  cpu(resources: CgroupResources): CgroupFile[]
  hugePages(size: string): string
}

const writersV1: Writers = {
  memory: ({ memory }) =>
    memory === undefined
      ? []
      : [
          { file: 'memory.limit_in_bytes', value: String(memory) },
          // Of memory and swap together; absent without swap accounting.
          {
            file: 'memory.memsw.limit_in_bytes',
            value: String(memory),
            optional: true,
          },
        ],
  cpu: ({ cpuShares, cpuQuota }) => [
    ...(cpuShares === undefined
      ? []
      : [{ file: 'cpu.shares', value: String(cpuShares) }]),
    ...(cpuQuota === undefined
      ? []
      : [
          { file: 'cpu.cfs_period_us', value: String(cpuPeriod) },
          { file: 'cpu.cfs_quota_us', value: String(cpuQuota) },
        ]),
  ],
  hugePages: size => `hugetlb.${size}.limit_in_bytes`,
}

const writersV2: Writers = {
  memory: ({ memory }) =>
    memory === undefined
      ? []
      : [
          { file: 'memory.max', value: String(memory) },
          { file: 'memory.swap.max', value: '0', optional: true },
          // All of it ends with one of its processes, as a kubelet has it with v2.
          { file: 'memory.oom.group', value: '1', optional: true },
        ],
  cpu: ({ cpuShares, cpuQuota }) => [
    ...(cpuShares === undefined
      ? []
      : [{ file: 'cpu.weight', value: String(cpuWeight(cpuShares)) }]),
    ...(cpuQuota === undefined
      ? []
      : [{ file: 'cpu.max', value: `${cpuQuota} ${cpuPeriod}` }]),
  ],
  hugePages: size => `hugetlb.${size}.max`,
}

/** CPUSharesToCPUWeight, pkg/kubelet/cm/cgroup_manager_linux.go: 2 to 262144 becomes 1 to 10000. */
function cpuWeight(shares: number): number {
  return Math.floor(((shares - 2) * 9999) / 262142) + 1
}

/** As the kernel calls a size of huge pages in the names of these files: `2MB`, `1GB` (mem_fmt). */
function hugePageName(size: bigint): string {
  if (size >= 1n << 30n) return `${size >> 30n}GB`
  if (size >= 1n << 20n) return `${size >> 20n}MB`
  return `${size >> 10n}KB`
}
