import { formatEvents, Inotify } from './inotify.ts'

/*
 * A program that watches a directory inside a container and prints what it sees, a line an
 * event; bundled and started by test/cli/inotify-in-container.test.ts.
 */

const inotify = new Inotify()
inotify.watch(process.argv[2] ?? '.')
console.log('watching')
const timestamped: string[] = []
setInterval(() => {
  const events = inotify.drain()
  for (const line of formatEvents(events, timestamped)) console.log(line)
  for (const { name } of events)
    if (/^\.\.\d{4}_/.test(name) && !timestamped.includes(name))
      timestamped.push(name)
}, 5)
process.on('SIGTERM', () => process.exit(0))
