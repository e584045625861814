import { join } from 'node:path'
import type { FileView } from '../../linux/host-view.ts'
import type { FstabEntry } from './fstab.ts'
import { bind } from './host-binds.ts'

/*
 * What a container does not see of /proc and /sys, and what it cannot write, unless it is
 * privileged or procMount is Unmasked: with root's uid, and no capability, it could else set what
 * the kernel does on this machine (/proc/sys/kernel/core_pattern). The paths are those that a
 * kubelet hands to the container run-time (pkg/securitycontext/util.go).
 */

const masked = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
]
const processors = '/sys/devices/system/cpu'

const readOnly = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
]

const inert = ['nosuid', 'nodev', 'noexec']

/** Mounts over those of /proc that this machine has. */
export function procMasks(host: Pick<FileView, 'lstat'>): FstabEntry[] {
  return [
    ...masked
      .filter(path => path.startsWith('/proc/'))
      .flatMap(path => maskOf(host, path, path)),
    ...readOnly
      .filter(path => host.lstat(path) !== undefined)
      .map(path => bind(path, path, ['bind', 'ro', ...inert])),
  ]
}

/** The same of /sys, all of which is read-only; for a root that is made at `world`. */
export function sysMasks(
  host: Pick<FileView, 'lstat' | 'readdir'>,
  world: string,
): FstabEntry[] {
  const throttles =
    host.lstat(processors) === undefined
      ? []
      : host
          .readdir(processors)
          .filter(name => /^cpu\d+$/.test(name))
          .map(name => join(processors, name, 'thermal_throttle'))
  return [
    ...masked.filter(path => path.startsWith('/sys/')),
    ...throttles,
  ].flatMap(path => maskOf(host, path, join(world, path)))
}

function maskOf(
  host: Pick<FileView, 'lstat'>,
  path: string,
  target: string,
): FstabEntry[] {
  const kind = host.lstat(path)?.kind
  if (kind === undefined) return []
  if (kind !== 'directory') return [bind('/dev/null', target, ['bind'])]
  const options = ['ro', ...inert, 'mode=0755', 'size=4k']
  return [{ source: 'podfs', target, type: 'tmpfs', options }]
}
