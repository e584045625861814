import type { Container } from '../../api/types.ts'
import { parseImageReference } from './image-reference.ts'
import { shellQuote } from '../sandbox/shell-quote.ts'

/** Programs of well-known images, where they are not called as the image is; the first there is. */
// Stryker disable ArrayDeclaration,StringLiteral: a test would repeat it
const programsOf: Readonly<Record<string, readonly string[]>> = {
  golang: ['go'],
  httpd: ['httpd', 'apache2'],
  mariadb: ['mariadbd', 'mysqld'],
  mongo: ['mongod'],
  mongodb: ['mongod'],
  mysql: ['mysqld', 'mariadbd'],
  nodejs: ['node'],
  openjdk: ['java'],
  'eclipse-temurin': ['java'],
  postgis: ['postgres'],
  postgresql: ['postgres'],
  python: ['python3', 'python'],
  rabbitmq: ['rabbitmq-server'],
  redis: ['redis-server', 'valkey-server'],
  valkey: ['valkey-server', 'redis-server'],
}
// Stryker restore ArrayDeclaration,StringLiteral

const shells: ReadonlySet<string> = new Set(['sh', 'bash', 'ash', 'dash'])

/**
 * The `--image` flag, quoted for a shell, for a container of which nobody says what to run:
 * the program that another container calls in the same image, that the container's own
 * arguments begin with, or that the image is named after. Else the flag has the word COMMAND,
 * and says so.
 */
export function imageFlag(
  container: Container,
  others: readonly Container[],
  isProgram: (name: string) => boolean,
): string {
  const flag = (command: string): string =>
    `--image ${shellQuote(`${container.image}=${command}`)}`
  const { registry, repository } = parseImageReference(container.image)
  const sameImage = others.filter(({ image }) => {
    const other = parseImageReference(image)
    return other.registry === registry && other.repository === repository
  })
  const called = sameImage
    .map(({ command = [] }) => command[0] ?? '')
    .find(program => isProgram(program) && !shells.has(baseName(program)))
  if (called !== undefined) return flag(asWord(called))

  const [first = ''] = container.args ?? []
  if (first !== '' && isProgram(first))
    return `${flag('')} lets its args say it: they begin with ${first}`

  const name = baseName(repository)
  const named = [...(programsOf[name] ?? []), name].find(isProgram)
  if (named === 'nginx') return flag(`nginx -g ${shellQuote('daemon off;')}`)
  if (named !== undefined) return flag(asWord(named))
  return `${flag('COMMAND')}, with a program of this machine for COMMAND, such as 'node server.js'`
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** One of parseImageFlag's words. */
function asWord(text: string): string {
  return /^[\w./:@%+,-]+$/.test(text) ? text : shellQuote(text)
}
