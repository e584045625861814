import { posix } from 'node:path'

import { amountIn } from '../../api/pod-resources.ts'
import { quantityValue } from '../../api/quantity.ts'
import type { Container, Pod, VolumeMount } from '../../api/types.ts'
import { homeOf, passwdWith, type Accounts } from './accounts.ts'
import { containerRights } from './container-rights.ts'
import {
  containerCgroupResources,
  oomScoreAdjust,
} from './pod-cgroup-resources.ts'
import { containerUser } from './container-user.ts'
import {
  containerEnvironment,
  declaredEnvironment,
  type EnvironmentSources,
} from './environment.ts'
import { configError, createError } from './errors.ts'
import { mappedUser } from './unmapped-ids.ts'
import type { PodHostname } from './hostname.ts'
import { writeOwnFile } from './hosts-file.ts'
import {
  containerArgv,
  findImage,
  type ImageEntry,
  type ImageMap,
} from './images.ts'
import type {
  ContainerLaunch,
  ContainerMount,
  ContainerRoot,
  ContainerUser,
} from '../sandbox/container-runtime.ts'
import type { NodePolicy } from './node-policy.ts'
import { processLabels, type ReadModules } from './security-labels.ts'
import { containerFilter } from '../sandbox/seccomp/container-filter.ts'
import { missingSubPath } from './missing-sub-path.ts'
import { readEnvFiles } from './read-env-files.ts'
import {
  emptyDirectory,
  mountSubPath,
  resolveSubPath,
  type SubPathTarget,
} from './sub-path.ts'

const etcHosts = '/etc/hosts'
const etcPasswd = '/etc/passwd'

/** A volume that is ready. */
export interface ContainerVolume {
  /** A directory or a file of the host. */
  readonly path: string
  /** Managed by podfs: nobody writes into it. */
  readonly readOnly: boolean
  /** With its submounts. */
  readonly recursive: boolean
  /** Of a volume that may be mounted anew: its path now, as soon as it can be read there. */
  readonly current?: () => Promise<string>
}

export interface LaunchContext extends Omit<EnvironmentSources, 'fileKey'> {
  readonly images: ImageMap
  readonly policy: NodePolicy
  readonly volumes: ReadonlyMap<string, ContainerVolume>
  readonly hostname: PodHostname
  /** This machine's, for Pods with hostNetwork. */
  readonly machineHostname: string
  readonly accounts: Accounts
  /** Absent: as they are on this machine. */
  readonly securityModules?: ReadModules
  readonly path: string
  readonly hostsFile: string
  /** On the host, of this Pod alone: with a user's number behind it, the file for that user. */
  readonly passwdFile: string
  /** The Pod's resolv.conf on the host; absent: the machine's. */
  readonly resolvConf?: string
  /** On the host, made if need be: for subPaths at which a managed volume has nothing. */
  readonly emptyDirectories: string
  /** On the host, a file of this start alone: what is bound at terminationMessagePath. */
  readonly terminationLog: string
}

/** A start, and what is to be told of it. */
export interface PlannedLaunch extends ContainerLaunch {
  /** Of subPaths at which nothing is. */
  readonly warnings: readonly string[]
}

/**
 * Everything that a container's start needs, resolved now: env and subPaths stay as they are
 * until its next start. Rejects with what the status says while it cannot be.
 */
export async function containerLaunch(
  container: Container,
  context: LaunchContext,
): Promise<PlannedLaunch> {
  const { pod, hostname } = context
  const image = findImage(context.images, container.image)
  const user = userOf(container, context)
  const fileKey = await readEnvFiles(container, context.volumes)
  const declared = declaredEnvironment(container, { ...context, fileKey })
  const argv = containerArgv(container, image, declared)
  const env = containerEnvironment(declared, {
    path: image?.path ?? context.path,
    hostname: hostname.kernelHostname ?? context.machineHostname,
    home: homeOf(context.accounts, user?.uid ?? 0) ?? '/',
    ...(image?.env === undefined ? {} : { image: image.env }),
  })
  const { mounts, warnings } = await containerMounts(
    container,
    declared,
    context,
  )
  const root = containerRoot(container, mounts, user, context)
  try {
    containerFilter(root.rights)
  } catch (error) {
    throw createError((error as Error).message)
  }
  const labels = processLabels(pod, container, context.securityModules)
  return {
    ...root,
    argv,
    env,
    isImagePath:
      !declared.has('PATH') &&
      (image?.path !== undefined || image?.env?.has('PATH') === true),
    warnings,
    ...(user === undefined ? {} : { user }),
    ...(labels && { labels }),
    ...(container.stdin && {
      stdin: container.stdinOnce ? ('once' as const) : ('open' as const),
    }),
    ...(container.tty && { tty: true }),
    resources: containerCgroupResources(pod, container),
    oomScoreAdjust: oomScoreAdjust(
      pod,
      container,
      quantityValue(amountIn(context.node.allocatable, 'memory')),
    ),
  }
}

/**
 * The root that a container's start will ask for, known while its volumes are only expected;
 * undefined where it hangs on what is in them (subPath). Throws as `containerLaunch` rejects.
 */
export function expectedRoot(
  container: Container,
  context: LaunchContext,
): ContainerRoot | undefined {
  const mounts: ContainerMount[] = []
  for (const mount of container.volumeMounts) {
    const volume = context.volumes.get(mount.name)
    if (volume === undefined || mount.subPath || mount.subPathExpr)
      return undefined
    mounts.push({
      ...mountOf(mount, volume, volume.path),
      isDirectory: true,
      ...(volume.current && { locate: volume.current }),
    })
  }
  return containerRoot(container, mounts, userOf(container, context), context)
}

function userOf(
  container: Container,
  { pod, images, accounts }: LaunchContext,
): ContainerUser | undefined {
  const image = findImage(images, container.image)
  const user = containerUser(pod, container, image?.user, accounts)
  const { idMaps } = accounts
  return user && idMaps ? mappedUser(user, pod, idMaps) : user
}

function containerRoot(
  container: Container,
  mounts: readonly ContainerMount[],
  user: ContainerUser | undefined,
  context: LaunchContext,
): ContainerRoot {
  const { pod, images, policy, hostsFile, resolvConf, terminationLog } = context
  // After a volume at the same place, and so over it, as a kubelet has it.
  const messages: ContainerMount = {
    source: terminationLog,
    mountPath: container.terminationMessagePath,
    readOnly: false,
    recursive: false,
  }
  const image = findImage(images, container.image)
  const workingDir = container.workingDir || image?.workingDir
  return {
    name: container.name,
    ...(workingDir === undefined ? {} : { workingDir }),
    mounts: byDepth([
      ...mounts,
      ...ownPasswd(container, user, context),
      messages,
    ]),
    ...(hasManagedHosts(container) ? { hostsFile } : {}),
    ...(resolvConf === undefined ? {} : { resolvConf }),
    busybox: image?.busybox ?? false,
    ...programsOf(container, image),
    rights: containerRights(pod, container, policy),
  }
}

/**
 * What the image map and the command name of this machine by its place: it is seen there, though
 * a container has a /tmp of its own.
 */
function programsOf(
  { command = [] }: Container,
  image: ImageEntry | undefined,
): { readonly visible?: readonly string[] } {
  const { entrypoint = [], args = [], workingDir, path = '' } = image ?? {}
  const named = [
    ...command.slice(0, 1),
    ...entrypoint,
    ...args,
    ...path.split(':'),
    ...(workingDir === undefined ? [] : [workingDir]),
  ].filter(word => word.startsWith('/'))
  return named.length === 0 ? {} : { visible: named }
}

/** For a user without an account, who cannot write root's file; where a volume is mounted that is the volume's to say. */
function ownPasswd(
  { volumeMounts }: Container,
  user: ContainerUser | undefined,
  { accounts, passwdFile }: LaunchContext,
): ContainerMount[] {
  const isTaken = volumeMounts.some(({ mountPath }) =>
    ['/etc', etcPasswd].includes(posix.resolve('/', mountPath)),
  )
  if (user === undefined || isTaken) return []
  const content = passwdWith(accounts, user)
  if (content === undefined) return []
  const source = `${passwdFile}-${user.uid}`
  writeOwnFile(source, content)
  return [{ source, mountPath: etcPasswd, readOnly: false, recursive: false }]
}

/** A container that mounts something at exactly /etc/hosts keeps that (C176). */
function hasManagedHosts({ volumeMounts }: Container): boolean {
  return !volumeMounts.some(
    ({ mountPath }) => posix.normalize(mountPath) === etcHosts,
  )
}

/** The names of the volumes that the Pod's containers mount: a start waits for these only. */
export function mountedVolumeNames(pod: Pod): readonly string[] {
  const { initContainers, containers } = pod.spec
  const mounts = [...initContainers, ...containers].flatMap(
    container => container.volumeMounts,
  )
  return [...new Set(mounts.map(({ name }) => name))]
}

async function containerMounts(
  container: Container,
  env: ReadonlyMap<string, string>,
  context: LaunchContext,
): Promise<Pick<PlannedLaunch, 'mounts' | 'warnings'>> {
  const mounts: ContainerMount[] = []
  const warnings: string[] = []
  for (const mount of container.volumeMounts) {
    const made = await containerMount(mount, env, context)
    mounts.push(made.mount)
    if (made.warning !== undefined) warnings.push(made.warning)
  }
  return { mounts, warnings }
}

/** Parents before children, as container run-times sort them. */
function byDepth(mounts: readonly ContainerMount[]): ContainerMount[] {
  return mounts.toSorted(
    (one, other) => depth(one.mountPath) - depth(other.mountPath),
  )
}

function mountOf(
  {
    mountPath,
    readOnly,
    recursiveReadOnly = 'Disabled',
    mountPropagation = 'None',
  }: VolumeMount,
  volume: ContainerVolume,
  source: string,
): ContainerMount {
  return {
    source,
    mountPath,
    readOnly: readOnly || volume.readOnly,
    recursive: volume.recursive,
    ...(readOnly &&
      recursiveReadOnly !== 'Disabled' && { readOnlyBelow: true }),
    ...(mountPropagation !== 'None' && { followsHost: true }),
  }
}

async function containerMount(
  mount: VolumeMount,
  env: ReadonlyMap<string, string>,
  context: LaunchContext,
): Promise<{ readonly mount: ContainerMount; readonly warning?: string }> {
  const volume = context.volumes.get(mount.name)
  if (volume === undefined) {
    throw configError(`volume "${mount.name}" not found`)
  }
  const { current, readOnly } = volume
  const subPath = mountSubPath(mount, env)
  const locate = async (): Promise<
    (Partial<SubPathTarget> & { path: string }) | undefined
  > => {
    const path = (await current?.()) ?? volume.path
    if (subPath === undefined) return { path }
    return await resolveSubPath({ path, readOnly }, subPath)
  }
  const located = await locate()
  if (located === undefined) {
    const directory = await emptyDirectory(volume, context.emptyDirectories)
    return {
      mount: mountOf(mount, volume, directory),
      warning: whyEmpty(mount.name, subPath ?? '', context.pod),
    }
  }
  const { path: source, identity } = located
  return {
    mount: {
      ...mountOf(mount, volume, source),
      // Nobody can put something else into a managed volume.
      ...(identity !== undefined && !readOnly && { identity }),
      ...(current !== undefined && {
        locate: async () => {
          const now = await locate()
          if (now !== undefined) return now.path
          throw configError(`subPath ${subPath}: no such file or directory`)
        },
      }),
    },
  }
}

function whyEmpty(
  name: string,
  subPath: string,
  { spec, metadata }: Pod,
): string {
  const volume = spec.volumes.find(volume => volume.name === name)
  return missingSubPath(volume ?? { name }, subPath, metadata.namespace)
}

function depth(path: string): number {
  return posix.normalize(path).split('/').filter(Boolean).length
}
