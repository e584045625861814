/*
 * The rooms of src/, from the lowest to the highest, and who may import whom. `npm run check`
 * holds the imports against it (.dependency-cruiser.mjs); docs/architecture.md's table is made
 * from it (`npm run docs`).
 *
 * A room is a folder with all that is below it, but for the rooms that are named below it. It
 * may import its own files, Node, packages without a fence, and what `imports` names: only
 * rooms above it in this table, so no two can need each other.
 */

export const rooms = [
  {
    room: 'util',
    purpose: 'things with no domain: clock, logger, failure, turns',
    imports: [],
  },
  {
    room: 'linux',
    purpose:
      'the kernel and util-linux, no podfs in it: mountinfo, mount commands, process identity, tools',
    imports: ['util'],
  },
  {
    room: 'api',
    purpose:
      'the Kubernetes nouns: schema, decoding, encoding, validation; pure',
    imports: ['util'],
  },
  {
    room: 'streams',
    purpose:
      'what goes into a program of a container and comes out of it, and how both travel: numbered channels over a socket or a WebSocket, SPDY for ports',
    imports: ['util'],
  },
  {
    room: 'config',
    purpose: 'podfs.yaml: load, default, check',
    imports: ['api', 'util'],
  },
  {
    room: 'store',
    purpose: 'the latest object of each key, resourceVersion, list and watch',
    imports: ['api', 'util'],
  },
  {
    room: 'writer',
    purpose:
      "payload to atomically published directory (the kubelet's AtomicWriter), on any directory",
    imports: ['util'],
  },
  {
    room: 'tokens',
    purpose:
      'service account tokens: key, key set, root certificate, claims, lifetime, refresh',
    imports: ['api', 'util'],
  },
  {
    room: 'projection',
    purpose: 'volume + objects + tokens to payload; pure; all errors gathered',
    imports: ['api', 'writer'],
  },
  {
    room: 'sources',
    purpose:
      'where objects come from: manifests/ (files), keys/ (plain directories), rendered/ (kustomizations, Helm charts), encryption/',
    imports: ['api', 'store', 'linux', 'util'],
  },
  {
    room: 'fuse/wire',
    purpose:
      "the kernel's protocol: layouts, operations, errno, the fill format",
    imports: ['util'],
  },
  {
    room: 'fuse/keeper',
    purpose:
      'the scripts that hold /dev/fuse, who gets it from fusermount3, and what they hand down and are asked',
    imports: ['linux', 'util'],
  },
  {
    room: 'fuse/server',
    purpose:
      'holds /dev/fuse: tree, handlers, dispatch, journal, replay, control socket, standby',
    imports: ['fuse/keeper', 'fuse/wire', 'linux', 'util'],
  },
  {
    room: 'fuse/mount',
    purpose:
      'never holds /dev/fuse: start a keeper, mount, adopt, ask the server, end',
    imports: ['fuse/server', 'fuse/keeper', 'fuse/wire', 'linux', 'util'],
  },
  {
    room: 'fuse/native',
    purpose: 'the backend of the npm package fuse-native',
    imports: ['fuse/mount', 'fuse/server', 'fuse/wire', 'linux'],
  },
  {
    room: 'volumes',
    purpose:
      'desired against actual: keeps published volumes equal to what the Pod asks; the backends',
    imports: [
      'projection',
      'tokens',
      'writer',
      'store',
      'fuse/mount',
      'fuse/native',
      'linux',
      'api',
      'util',
    ],
  },
  {
    room: 'runner/sandbox',
    purpose: 'how a process is fenced: root, namespaces, rights, its programs',
    imports: ['linux', 'streams', 'util'],
  },
  {
    room: 'runner/launch',
    purpose:
      'what a container is started with: environment, image, user, subPath, hosts file',
    imports: ['runner/sandbox', 'linux', 'api', 'util'],
  },
  {
    room: 'runner/lifecycle',
    purpose:
      'what happens next: plan, records, restarts, hooks, probes/, termination and its order',
    imports: ['runner/launch', 'runner/sandbox', 'api', 'util'],
  },
  {
    room: 'runner/status',
    purpose: 'phase, conditions, container status, events; pure',
    imports: ['runner/lifecycle', 'api'],
  },
  {
    room: 'runner',
    purpose: 'one Pod: carries out the plan, container by container',
    imports: [
      'runner/status',
      'runner/lifecycle',
      'runner/launch',
      'runner/sandbox',
      'streams',
      'api',
      'util',
    ],
  },
  {
    room: 'services',
    purpose:
      'Services of the input: who gets what is sent to them, forwarding, variables, dns/',
    imports: ['runner/status', 'linux', 'api', 'util'],
  },
  {
    room: 'server',
    purpose:
      'the Kubernetes API of a session over HTTP on a unix socket; what a session remembers for it',
    imports: [
      'volumes',
      'store',
      'runner/status',
      'services',
      'tokens',
      'streams',
      'linux',
      'api',
      'util',
    ],
  },
  {
    room: 'session',
    purpose:
      'one running podfs: run-time directory, mount point, renewed mount, sources, API, service manager, this machine',
    imports: [
      'server',
      'volumes',
      'sources',
      'projection',
      'writer',
      'tokens',
      'store',
      'fuse/mount',
      'runner/status',
      'runner/launch',
      'runner/sandbox',
      'linux',
      'config',
      'api',
      'util',
    ],
  },
  {
    room: 'pods',
    purpose:
      'which Pods there are and what becomes of each: fleet, supervised Pod, one run of a Pod, shim/',
    imports: [
      'session',
      'server',
      'services',
      'volumes',
      'projection',
      'tokens',
      'store',
      'fuse/mount',
      'runner',
      'runner/status',
      'runner/lifecycle',
      'runner/launch',
      'runner/sandbox',
      'streams',
      'linux',
      'config',
      'api',
      'util',
    ],
  },
  {
    room: 'client',
    purpose: 'who asks the API of a running podfs',
    imports: ['session', 'server', 'streams', 'linux', 'api', 'util'],
  },
  {
    room: 'commands',
    purpose:
      'mount, run, serve, unmount, validate, doctor: each only wires named parts',
    imports: [
      'pods',
      'session',
      'server',
      'services',
      'volumes',
      'sources',
      'projection',
      'writer',
      'store',
      'runner/lifecycle',
      'runner/launch',
      'linux',
      'config',
      'api',
      'util',
    ],
  },
  {
    room: 'cli',
    purpose: 'argv to one command to exit code: options, help, printing',
    imports: [
      'commands',
      'client',
      'pods',
      'session',
      'streams',
      'linux',
      'config',
      'api',
      'util',
    ],
  },
]

/** Packages and modules of Node that only some rooms may use, and files where it is one. */
export const fences = [
  { name: 'pino', rooms: ['util'] },
  { name: 'chokidar', rooms: ['sources'] },
  { name: 'ignore', rooms: ['sources'] },
  { name: 'age-encryption', rooms: ['sources'] },
  { name: 'koffi', rooms: ['linux'] },
  { name: 'tar', rooms: ['cli'] },
  { name: 'ws', rooms: ['streams', 'server', 'client'] },
  { name: '@grpc/grpc-js', rooms: ['runner/lifecycle'] },
  { name: 'jose', rooms: ['tokens'] },
  { name: 'croner', rooms: ['pods'] },
  { name: 'dns-packet', rooms: ['services'] },
  { name: 'prom-client', rooms: ['server'] },
  { name: 'fast-json-patch', rooms: ['server'] },
  { name: 'yaml', rooms: ['cli'] },
  { name: 'diff', rooms: ['cli'] },
  { name: 'fuse-native', rooms: ['fuse/native'] },
  {
    name: 'node:child_process',
    rooms: [
      'linux',
      'fuse/keeper',
      'fuse/server',
      'fuse/mount',
      'runner/sandbox',
      'session',
      'pods',
    ],
  },
]
