import { formatFinding, type Finding } from '../api/report.ts'
import type { Context } from './context.ts'

/**
 * Prints what concerns the person who runs something: mistakes, and fields that have no
 * effect. What podfs does in a way of its own (`emulated`) is for `podfs validate`.
 */
export function reportTo(context: Context): (finding: Finding) => void {
  return finding => {
    if (finding.treatment === 'emulated') return
    const word = finding.treatment === 'rejected' ? 'error' : 'warning'
    context.stderr.write(`${word}: ${formatFinding(finding)}\n`)
    if (finding.fix !== undefined) context.stderr.write(`  ${finding.fix}\n`)
  }
}
