/* The rooms of src/ (src/rooms.mjs) as rules. */
import { fences, rooms } from './src/rooms.mjs'

/** The files of a room, without those of rooms below it. */
const filesOf = room => {
  const below = rooms
    .map(({ room }) => room)
    .filter(other => other.startsWith(`${room}/`))
    .map(other => other.slice(room.length + 1))
  const not = below.length === 0 ? '' : `(?!(?:${below.join('|')})/)`
  return `^src/${room}/${not}`
}

const names = rooms.map(({ room }) => room)
for (const [at, { room, imports }] of rooms.entries())
  for (const name of imports)
    if (!names.slice(0, at).includes(name))
      throw new Error(
        `src/rooms.mjs: ${room} names ${name}, which is not above it`,
      )

export default {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      comment: 'No file is in a circle, types included.',
      from: { path: '^src/' },
      to: { circular: true },
    },
    {
      name: 'has-a-room',
      severity: 'error',
      comment: 'Each file of src/ is in a room of src/rooms.mjs.',
      from: {
        path: '^src/.*\\.ts$',
        pathNot: names.map(filesOf),
      },
      to: {},
    },
    ...rooms.map(({ room, imports }) => ({
      name: room,
      severity: 'error',
      comment: `src/${room}/ may import from: ${imports.join(', ') || 'Node and packages'} (src/rooms.mjs).`,
      from: { path: filesOf(room) },
      to: { path: '^src/', pathNot: [room, ...imports].map(filesOf) },
    })),
    ...fences.map(({ name, rooms }) => ({
      name,
      severity: 'error',
      comment: `${name} is used only in ${rooms.map(room => `src/${room}/`).join(', ')} (src/rooms.mjs).`,
      from: { path: '^src/', pathNot: rooms.map(filesOf) },
      to: name.startsWith('node:')
        ? {
            path: `^(node:)?${name.slice('node:'.length)}$`,
            dependencyTypes: ['core'],
          }
        : { path: `(^|/)node_modules/${name}/|^${name}$` },
    })),
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.cjs', '.js'] },
  },
}
