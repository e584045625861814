import { readdirSync, readFileSync } from 'node:fs'

/** The huge pages of one size that this machine has set aside. */
export interface HugePagePool {
  /** Of a page, in bytes. */
  readonly size: bigint
  readonly count: bigint
}

/** Documentation/admin-guide/mm/hugetlbpage.rst; none where the kernel has no huge pages. */
export function hugePagePools(): readonly HugePagePool[] {
  const directory = '/sys/kernel/mm/hugepages'
  try {
    return readdirSync(directory).flatMap(name => {
      const kilobytes = /^hugepages-(\d+)kB$/.exec(name)?.[1]
      if (kilobytes === undefined) return []
      const count = readFileSync(`${directory}/${name}/nr_hugepages`, 'utf8')
      return [{ size: BigInt(kilobytes) * 1024n, count: BigInt(count.trim()) }]
    })
  } catch {
    return []
  }
}
