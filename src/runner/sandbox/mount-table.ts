/** One line of /proc/PID/mountinfo, as far as podfs asks (proc_pid_mountinfo(5)). */
export interface MountTableEntry {
  readonly point: string
  readonly type: string
  /** Of this mount, not of the file system below it. */
  readonly readOnly: boolean
}

/**
 * The file system type of every podfs mount. The tmpfs of its backend dir counts as one: the
 * source of that is `podfs-volumes`.
 */
export const podfsType = 'fuse.podfs'

/** In the order in which the kernel lists them: a later entry may cover an earlier one. */
export function parseMountTable(text: string): MountTableEntry[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const fields = line.split(' ')
      // Optional fields follow the sixth, as many as there are, up to a lone hyphen.
      const [fileSystem = '', source] = fields.slice(fields.indexOf('-', 6) + 1)
      const options = (fields[5] ?? '').split(',')
      return {
        point: unescapeOctal(fields[4] ?? ''),
        type:
          fileSystem === 'tmpfs' && source === 'podfs-volumes'
            ? podfsType
            : fileSystem,
        readOnly: options.includes('ro'),
      }
    })
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescapeOctal(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}
