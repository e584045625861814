import { claims, type CallResults, type Found } from './backend-suite.ts'

const header = `# Backends

<!-- Made by \`npm run docs:backends\` from what test/mount/backends.test.ts finds. Do not edit. -->

Volumes are published by one writer in one of three places: \`podfs mount --backend NAME\`, \`podfs run --backend NAME\`, or \`backend: NAME\` in podfs.yaml.

| backend | what it is | needs |
|---|---|---|
| \`fuse\` (default) | podfs's own file server, which speaks the kernel's protocol | /dev/fuse; without root also \`apt-get install fuse3\` |
| \`fuse-native\` | the npm package of that name over libfuse 2, the same tree by path, in a process of its own | /dev/fuse, \`apt-get install libfuse2\`, \`npm install\` on linux-x64 |
| \`dir\` | a tmpfs in podfs's run-time directory; without mount rights a plain directory, at the mount point itself | nothing |

\`auto\` takes the first of them that works here, and logs why it did not take a better one. A backend that is named and does not work is an error (exit code 3). In every place only podfs writes, through a private directory; everybody else sees binds that the kernel keeps read-only. An ordinary user can bind nothing: there \`fuse\` mounts by fusermount3 (package fuse3), right at the mount point, and podfs's own file server refuses whoever would change something; \`dir\` is a plain directory, and \`fuse-native\` is for root only.

## What a backend cannot give
`

const plain = `
**\`dir\` without mount rights** (a container without CAP_SYS_ADMIN, for one) can bind nothing and has no second fence. The volume is an ordinary directory at the mount point, owned by podfs's user, mode 0700, or 0755 with \`--allow-other\`:
- root, and podfs's own user, can change it; nothing is read-only
- it is on whatever disk the mount point is on, Secrets too
- the mount point is seen before the first generation is there; the ready line still comes after it
- when podfs is killed (\`kill -9\`) it stays, until \`podfs unmount\` or the next \`podfs mount\` there

\`dir\` on a tmpfs: with fsGroup, the members of that group may enter without \`--allow-other\`; before Linux 6.3 the tmpfs can be swapped out. \`fuse-native\` and \`dir\` have no journal: nothing takes a mount over from a killed podfs, it ends (\`run\` at once, \`mount\` after 30 seconds) or waits for \`podfs unmount\` (\`--detach\`).
`

/** The column of the backend fuse without root's rights. */
export const usersFuse = "fuse, an ordinary user's"

/** The file docs/backends.md. */
export function backendsDocument(findings: ReadonlyMap<string, Found>): string {
  const names = [...findings.keys()]
  const lines = [header]
  for (const [name, found] of findings) {
    const lacking = claims.filter(
      ({ what, wanted }) => found.claims.get(what) !== wanted,
    )
    const harm = Object.entries(found.withoutBind).filter(
      ([, { root, other }]) => root === 'OK' || other === 'OK',
    )
    lines.push(`### ${name}\n`)
    if (lacking.length + harm.length === 0) lines.push('Nothing is lacking.\n')
    for (const { what, wanted } of lacking)
      lines.push(
        `- ${what}: **${found.claims.get(what)}** (promised: ${wanted})`,
      )
    if (harm.length > 0)
      lines.push(
        `- its private mount has no fence of its own: whoever gets there (root; its directory is 0700) can change it, ${harm.length} of ${Object.keys(found.withoutBind).length} calls succeed`,
      )
    if (lacking.length + harm.length > 0) lines.push('')
  }
  lines.push(
    plain.trimStart(),
    '## All that was looked for\n',
    row(['', ...names]),
    row(['---', ...names.map(() => '---')]),
    ...claims.map(({ what, wanted }) =>
      row([
        what,
        ...names.map(name => {
          const result = findings.get(name)?.claims.get(what)
          return result === wanted ? 'yes' : `**${result}**`
        }),
      ]),
    ),
    '',
    '## A consumer can do no harm: every mutating call\n',
    'What another process than podfs gets, as root / as another user whom no mode stands in the way of.\n',
    '### On the read-only bind, which is what everybody sees\n',
    ...calls(
      names.filter(name => name !== usersFuse),
      name => findings.get(name)?.onBind,
    ),
    '',
    '### On a mount that has no bind\n',
    "The private mount itself; `fuse` answers every open there (`fuse.answerOpens`). An ordinary user's mount has no other place: what that user's programs get / another user's with `--allow-other`. Where the kernel decides before it asks the file server, its answer is another one: EPERM for mknod without CAP_MKNOD, and for whoever does not own the file.\n",
    ...calls(names, name => findings.get(name)?.withoutBind),
    '',
  )
  return lines.join('\n')
}

function calls(
  names: readonly string[],
  resultsOf: (name: string) => CallResults | undefined,
): string[] {
  const all = Object.keys(resultsOf(names[0] as string) ?? {})
  return [
    row(['call', ...names]),
    row(['---', ...names.map(() => '---')]),
    ...all.map(call =>
      row([
        call.replace('|', '\\|'),
        ...names.map(name => {
          const { root, other } = resultsOf(name)?.[call] ?? {
            root: '?',
            other: '?',
          }
          return root === other ? root : `${root} / ${other}`
        }),
      ]),
    ),
  ]
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}
