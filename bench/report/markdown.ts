import type { Line } from '../row.ts'

export interface Report {
  readonly machine: readonly string[]
  readonly rounds: number
  readonly lines: readonly Line[]
}

/** docs/performance.md, all of it: nothing in it is written by hand after a run. */
export function renderMarkdown({ machine, rounds, lines }: Report): string {
  return `# How fast podfs is

Written by \`npm run bench\`; do not edit. ${rounds} rounds, A B A B: the two sides of a comparison are measured in turn, and a ratio is the median over the rounds, with the least and the most in parentheses. "p99" is of all samples of all rounds. Where round trips to a server are compared, the reader and the servers share one core: between cores a wake-up in a virtual machine costs many times the round trip, and the scheduler decides anew in each round.

${machine.map(line => `- ${line}`).join('\n')}

| what | against | target | podfs | |
|---|---|---|---|---|
${lines.map(renderLine).join('\n')}

![latency distributions](performance-latency.svg)

![growth](performance-growth.svg)

## What the remaining cost is made of

- **A warm read.** The kernel answers it from its caches; no request is made. What is left over tmpfs is FUSE's own path through the kernel: permission checks of each component and a page cache behind one more layer.
- **An answered open** is two round trips, OPEN and RELEASE (RELEASE is not waited for). A round trip is two context switches; the language of the server is noise beside them.
- **A publication** is about ten requests for each key: look-up, make, write, change of mode, and the removal of the old file. tmpfs does the same work without a context switch. The journal is one write for each change, before its reply.
- **A save** is a watch event, a read of what changed, one publication, and nothing else: podfs waits for no period and debounces no longer than it must.
- **The start of \`podfs mount\`** is the start of two Node processes, one after the other as far as they depend on each other: podfs itself, and the file server that the keeper starts. The second standby server starts after the first byte.
- **The start of a container** is its namespaces and mounts, carried out by small programs of util-linux.

## How to repeat

\`\`\`
apt-get install gcc pkg-config libfuse3-dev libfuse2 podman runc conmon catatonit busybox-static
npm ci && sudo npm run bench
\`\`\`

Everything after the first three packages is optional: a row that lacks something is skipped and says so. \`npm run bench -- --only NAME\` measures one row and writes nothing; \`--rounds N\` (default 5) sets the number of rounds, \`--list\` names the rows. The machine should have nothing else to do. Figures "cited" are not measured by this run: consul-template's is its default wait and poll, the kubelet's its sync period with the cache of its watch.
`
}

function renderLine({ what, against, target, figure, met }: Line): string {
  const verdict = met === undefined ? '' : met ? 'met' : '**missed**'
  return `| ${what} | ${against} | ${target} | ${figure} | ${verdict} |`
}
