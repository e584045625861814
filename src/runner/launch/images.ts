import type { ImageMapEntry } from '../../api/image-map.ts'
import type { Container, PodSpec } from '../../api/types.ts'
import { RunnerError } from './errors.ts'
import { expandWith } from './expansion.ts'
import { parseImageReference, type ImageReference } from './image-reference.ts'
import { splitShellWords } from './shell-words.ts'
import { imageFlag } from './suggest-command.ts'

/**
 * What an image would have said of itself. podfs pulls nothing: a container runs a program
 * of this machine, and this map says which. A pattern is a repository with or without
 * registry, tag and digest (`busybox`, `quay.io/team/app:1`), a prefix that ends in `/`, or
 * a glob, whose `*` also matches `/`.
 */
export interface ImageEntry extends ImageMapEntry {
  /** `sh` and the other applets are busybox's own, where the machine has it. */
  readonly busybox?: boolean
}

export interface ImageMap {
  /** What the user says; any match here wins over the built-in ones. */
  readonly user: readonly ImageEntry[]
  readonly builtIn: readonly ImageEntry[]
}

// Stryker disable ArrayDeclaration,StringLiteral,ObjectLiteral,BooleanLiteral: a test would repeat it
const nginx: Omit<ImageEntry, 'pattern'> = {
  entrypoint: [],
  args: ['nginx', '-g', 'daemon off;'],
}
const pause: Omit<ImageEntry, 'pattern'> = { entrypoint: ['sleep', 'infinity'] }
const busybox: Omit<ImageEntry, 'pattern'> = {
  entrypoint: [],
  args: ['sh'],
  busybox: true,
}

/**
 * Entrypoints and arguments as in the images themselves: those of the distributions have no
 * entrypoint, so a Pod's `args` alone name the program.
 */
const builtInImages: readonly ImageEntry[] = [
  { pattern: 'busybox', ...busybox },
  { pattern: 'e2e-test-images/busybox', ...busybox },
  { pattern: 'alpine', entrypoint: [], args: ['/bin/sh'], busybox: true },
  { pattern: 'debian', entrypoint: [], args: ['bash'] },
  { pattern: 'ubuntu', entrypoint: [], args: ['/bin/bash'] },
  { pattern: 'nginx', ...nginx },
  { pattern: 'e2e-test-images/nginx', ...nginx },
  { pattern: 'pause', ...pause },
  { pattern: 'rancher/mirrored-pause', ...pause },
]
// Stryker restore ArrayDeclaration,StringLiteral,ObjectLiteral,BooleanLiteral

/** In the order of the user's wish: of two equally specific patterns the later one wins. */
export function createImageMap(user: readonly ImageEntry[] = []): ImageMap {
  return { user, builtIn: builtInImages }
}

/** `PATTERN=COMMAND` of `--image`; the command is split as a shell would. */
export function parseImageFlag(text: string): ImageEntry {
  const equals = text.indexOf('=')
  const pattern = text.slice(0, Math.max(equals, 0)).trim()
  if (pattern === '') {
    throw new RunnerError(
      'IMAGE_FLAG_INVALID',
      `--image wants 'PATTERN=COMMAND', not '${text}'`,
    )
  }
  return { pattern, entrypoint: splitShellWords(text.slice(equals + 1)) }
}

/**
 * The entry for an image: the user's before the built-in ones, and in each group the most
 * specific: a whole name, else the longest prefix, else the glob with most literal characters.
 */
export function findImage(
  images: ImageMap,
  image: string,
): ImageEntry | undefined {
  const user = mostSpecific(images.user, image)
  const builtIn = mostSpecific(images.builtIn, image)
  if (user === undefined || user.busybox !== undefined) return user ?? builtIn
  // Another command for busybox is still meant for busybox's own shell.
  return builtIn?.busybox === true ? { ...user, busybox: true } : user
}

function mostSpecific(
  entries: readonly ImageEntry[],
  image: string,
): ImageEntry | undefined {
  const reference = parseImageReference(image)
  let best: ImageEntry | undefined
  let bestRank = 0
  for (const entry of entries) {
    const rank = matchRank(entry.pattern, image, reference)
    if (rank > 0 && rank >= bestRank) {
      best = entry
      bestRank = rank
    }
  }
  return best
}

/** Zero: no match. Globs rank below 1e6, prefixes below 2e6, whole names above. */
function matchRank(
  pattern: string,
  image: string,
  reference: ImageReference,
): number {
  if (/[*?]/.test(pattern)) return globRank(pattern, image, reference)
  if (pattern.endsWith('/')) {
    const { registry, repository } = reference
    return [`${registry}/${repository}`, repository].some(name =>
      name.startsWith(pattern),
    )
      ? 1e6 + pattern.length
      : 0
  }
  const wanted = parseImageReference(pattern)
  if (wanted.repository !== reference.repository) return 0
  let rank = 2e6
  if (wanted.registryWritten) {
    if (wanted.registry !== reference.registry) return 0
    rank += 1
  }
  if (wanted.tag !== undefined) {
    if (wanted.tag !== reference.tag) return 0
    rank += 2
  }
  if (wanted.digest !== undefined) {
    if (wanted.digest !== reference.digest) return 0
    rank += 4
  }
  return rank
}

function globRank(
  pattern: string,
  image: string,
  { registry, repository, tag }: ImageReference,
): number {
  const names = [image, `${registry}/${repository}`, repository]
  if (tag !== undefined) {
    names.push(`${registry}/${repository}:${tag}`, `${repository}:${tag}`)
  }
  const expression = globExpression(pattern)
  return names.some(name => expression.test(name))
    ? 1 + pattern.replaceAll(/[*?]/g, '').length
    : 0
}

function globExpression(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`)
}

/**
 * Program and arguments, `$(VAR)` expanded: `command` replaces the image's entrypoint *and*
 * its arguments, `args` replace its arguments (C123 to C126; ExpandContainerCommandAndArgs,
 * pkg/kubelet/container/helpers.go). Throws when neither the manifest nor the map names a program.
 */
export function containerArgv(
  container: Container,
  entry: ImageEntry | undefined,
  env: ReadonlyMap<string, string>,
): readonly string[] {
  const { command = [], args = [] } = container
  const expanded = (words: readonly string[]) =>
    words.map(word => expandWith(word, env))
  const argv =
    command.length > 0
      ? expanded([...command, ...args])
      : [
          ...(entry?.entrypoint ?? []),
          ...(args.length > 0 ? expanded(args) : (entry?.args ?? [])),
        ]
  if (argv.length === 0 || (command.length === 0 && entry === undefined)) {
    throw unknownImage(container.image)
  }
  return argv
}

export interface UnknownImage {
  /** `spec.containers[0].image` */
  readonly fieldPath: string
  readonly message: string
  /** What to type. */
  readonly fix: string
}

/**
 * The containers of which nobody says what to run, each image once, found before anything
 * starts. `containerArgv` would throw for them one by one.
 */
export function unknownImages(
  spec: Pick<PodSpec, 'initContainers' | 'containers'>,
  images: ImageMap,
  isProgram: (name: string) => boolean,
): readonly UnknownImage[] {
  const all = [...spec.initContainers, ...spec.containers]
  const unknown = new Map<string, UnknownImage>()
  for (const list of ['initContainers', 'containers'] as const)
    for (const [i, container] of spec[list].entries()) {
      const { image } = container
      if (unknown.has(image) || isKnown(container, images)) continue
      unknown.set(image, {
        fieldPath: `spec.${list}[${i}].image`,
        message: unknownImage(image).message,
        fix: imageFlag(container, all, isProgram),
      })
    }
  return [...unknown.values()]
}

function isKnown(container: Container, images: ImageMap): boolean {
  try {
    containerArgv(container, findImage(images, container.image), new Map())
    return true
  } catch (error) {
    if (error instanceof RunnerError) return false
    throw error
  }
}

function unknownImage(image: string): RunnerError {
  return new RunnerError(
    'IMAGE_UNKNOWN',
    `no program of this machine is known for the image ${JSON.stringify(image)}`,
  )
}
