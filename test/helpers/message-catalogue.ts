import { familyNames, type SourceMessage } from './source-messages.ts'

/*
 * What to say of each message of the source (source-messages.ts) beyond the message: why it
 * comes, and what to do. A message that nobody has thought about fails the test that makes
 * docs/errors.md, and so does an entry whose message is gone.
 */

export interface CatalogueEntry {
  readonly title: string
  readonly cause: string
  readonly remedy: string
  /** Of field-errors.ts: every message that begins with these words. */
  readonly family?: string
  /** Below src/: every message of these files that no other entry names. */
  readonly files?: readonly string[]
  readonly texts?: readonly string[]
}

/** The words of the API server of Kubernetes, by the function of field-errors.ts. */
export const families: readonly (CatalogueEntry & {
  readonly family: string
})[] = [
  {
    family: 'required',
    title: 'Required value',
    cause: 'The field is missing, or empty.',
    remedy: 'Write it; `podfs explain` says what it is.',
  },
  {
    family: 'invalid',
    title: 'Invalid value',
    cause: 'The value is not allowed.',
    remedy: 'What comes after the value says what is.',
  },
  {
    family: 'unsupported',
    title: 'Unsupported value',
    cause:
      'The field takes certain words only, in upper and lower case as they are.',
    remedy: 'Take one of those that are listed.',
  },
  {
    family: 'duplicate',
    title: 'Duplicate value',
    cause:
      'Something else in the same list has this name, port or path already.',
    remedy: 'Rename one, or remove it.',
  },
  {
    family: 'forbidden',
    title: 'Forbidden',
    cause: 'The field may not be used here, or not together with another one.',
    remedy: 'Remove one of the two, or move it where it is allowed.',
  },
  {
    family: 'notFound',
    title: 'Not found',
    cause: 'The value names something that is not in the manifest.',
    remedy: 'Correct the name, or add what it names.',
  },
  {
    family: 'tooLong',
    title: 'Too long',
    cause:
      'The value has too many bytes; all data of a ConfigMap or Secret together 1 MiB.',
    remedy: 'Shorten it, or put it into several objects.',
  },
  {
    family: 'tooMany',
    title: 'Too many',
    cause: 'The list has more items than it may have.',
    remedy: 'Remove some, or put several into one.',
  },
]

/** podfs's own words about what stands in a file. */
export const inFiles: readonly CatalogueEntry[] = [
  {
    title: 'Not YAML',
    cause:
      'The file, or a part of it, is not what a Kubernetes manifest can be. A parser stops at the place that is named; the mistake may be before it.',
    remedy: 'Look at the line and the one above. Indent with blanks.',
    files: ['api/yaml/', 'sources/manifests/manifest-reader.ts'],
  },
  {
    title: 'Too much is wrong',
    cause:
      'The object has more mistakes, or more fields that podfs does its own way, than anybody reads.',
    remedy: 'Mend the first ones, and look again.',
    files: ['api/decode/finding-list.ts'],
  },
  {
    title: 'A file that is not read',
    cause: 'It is too large, or it cannot be opened any more.',
    remedy:
      'Split it, or mend what the message says; podfs goes on with what it read before.',
    files: ['sources/manifests/manifest-file.ts'],
  },
  {
    title: 'Kustomizations and Helm charts',
    cause:
      'kubectl, kustomize or helm could not render what was named, or is not installed; what follows the program is in its own words.',
    remedy:
      'Mend what it says and save: podfs has it rendered again. `podfs doctor` says which of the programs are there.',
    files: ['sources/rendered/'],
  },
  {
    title: 'An encrypted file that cannot be read',
    cause:
      'There is no key for it, or not the right one; it was changed by something else than sops; or it was encrypted for a key service.',
    remedy:
      'docs/encryption.md says where keys are looked for. What was read before stays; a key that comes later is taken at once.',
    files: ['sources/encryption/'],
  },
  {
    title: 'What is in a directory',
    cause:
      'A directory is read as `kubectl create configmap --from-file` reads it: regular files whose names can be keys, 1 MiB together.',
    remedy: 'Rename what is left out, or move what is large elsewhere.',
    files: [
      'sources/keys/directory-keys.ts',
      'sources/keys/directory-source.ts',
      'sources/keys/key-file.ts',
    ],
  },
  {
    title: 'No object of Kubernetes',
    cause:
      'A document has no kind or apiVersion, or two that do not go together.',
    remedy: 'Every document begins with apiVersion, kind and metadata.',
    files: ['api/decode/decode-object.ts'],
  },
  {
    title: 'A value of the wrong type',
    cause:
      'YAML makes a type of what is written: yes is true, 8080 a number, 1.10 the number 1.1.',
    remedy: 'Quotes make a string, a dash an item of a list.',
    files: ['api/decode/struct-decoder.ts'],
  },
  {
    title: 'Unknown field',
    cause: 'The field is mistyped, or stands at the wrong level.',
    remedy: 'The second line has the nearest name, or where it belongs.',
    texts: ['unknown field "PATH"'],
  },
  {
    title: 'An object twice',
    cause:
      'Two documents have the same kind, namespace and name; the first one is used.',
    remedy:
      'Rename one, or remove it. With several -f, a file may have been given twice.',
    files: ['store/store.ts'],
  },
  {
    title: 'Immutable',
    cause:
      'A Secret or ConfigMap with `immutable: true` has changed, or the type of a Secret.',
    remedy:
      'Remove the object and add it again, or give the new one another name.',
    files: ['store/immutable.ts'],
  },
  {
    title: 'Accepted, and surely meant otherwise',
    cause: 'The API server accepts it, with a warning or without.',
    remedy: 'Mostly one of two things that say the same is to be removed.',
    files: [
      'api/validation/pod-warnings.ts',
      'api/validation/volume-overlaps.ts',
      'api/validation/data.ts',
    ],
  },
  {
    title: 'A volume that cannot be made',
    cause:
      'What it asks for is missing (a ConfigMap, a Secret, a key, a directory of this machine), or a path in it is none. The Pod waits, and the reason is told once.',
    remedy:
      'Add what is missing, or set `optional: true`; podfs goes on by itself.',
    files: ['volumes/published-volume.ts', 'writer/payload-path.ts'],
  },
  {
    title: 'Volumes that podfs mount leaves out',
    cause: 'They are directories of the machine already.',
    remedy: '`podfs run` has them.',
    texts: ['volume "NAME" is an emptyDir, a hostPath or a claim: left out'],
  },
]

/** What ends a command, or a container's start; by what the person was about to do. */
export const atWork: readonly CatalogueEntry[] = [
  {
    title: 'Commands, flags and arguments',
    cause: 'The command line is not one that podfs knows.',
    remedy:
      '`podfs COMMAND --help` has the flags; the second line the nearest.',
    files: [
      'cli/attach.ts',
      'cli/completion.ts',
      'cli/config.ts',
      'cli/cp.ts',
      'cli/debug.ts',
      'cli/doctor.ts',
      'cli/exec.ts',
      'cli/explain.ts',
      'cli/input.ts',
      'cli/logs.ts',
      'cli/mount.ts',
      'cli/options.ts',
      'cli/port-forward.ts',
      'cli/program.ts',
      'cli/reload.ts',
      'cli/run.ts',
      'cli/scale.ts',
      'cli/serve.ts',
      'cli/serve-settings.ts',
      'cli/unmount.ts',
      'cli/validate.ts',
    ],
  },
  {
    title: 'What podfs was started with',
    cause:
      'A name of bytes that are not UTF-8 would reach podfs as another name; a working directory may have been removed.',
    remedy:
      'Rename the file or directory, or name it by a link whose name is UTF-8; cd to a directory that is there.',
    files: ['cli/given.ts'],
  },
  {
    title: 'podfs create',
    cause:
      "Most words are kubectl's: a literal, a file, a key or a certificate is not what it has to be.",
    remedy:
      'The message names the flag, file or line; a Secret’s value is never shown.',
    files: ['cli/create/'],
  },
  {
    title: 'podfs get, describe, logs, top, history',
    cause:
      "Most words are kubectl's: the resource, name or format does not exist.",
    remedy:
      '`podfs get --help`; `podfs get all,cm,secrets -A` lists what there is.',
    files: ['cli/get.ts', 'cli/history.ts', 'cli/top.ts', 'cli/look/'],
  },
  {
    title: 'podfs delete, wait, patch, start, stop, restart, rollout',
    cause:
      "Most words are kubectl's: a flag is missing, has a wrong value, or contradicts another one; or what is named is no Pod that runs.",
    remedy:
      '`podfs COMMAND --help` has the flags; `podfs get pods -A` lists the Pods.',
    files: [
      'cli/delete.ts',
      'cli/parse-patch.ts',
      'cli/patch.ts',
      'cli/pod-by-hand.ts',
      'cli/wait.ts',
    ],
  },
  {
    title: 'Into a container',
    cause:
      'The container has no input, the file is not there, or the port is taken.',
    remedy: 'The message says what is missing, and the second line what to do.',
    texts: [
      'container NAME reads from /dev/null: nothing can be typed',
      "FILE doesn't exist in local filesystem",
      'CWD is not a directory',
      'cannot copy: CAUSE',
      'unable to listen on port LOCAL: ...',
    ],
  },
  {
    title: 'No terminal',
    cause:
      'Node has no call for a pseudo-terminal; koffi makes it, an optional package with binaries for most machines.',
    remedy: 'Install it, or leave out -t and `tty: true`.',
    files: ['linux/pseudo-terminal.ts'],
  },
  {
    title: 'No podfs is running, or several',
    cause:
      'get, describe and logs look into a `podfs run`, `podfs mount` or `podfs serve` that runs.',
    remedy: 'Start one, or say which with --session.',
    files: ['client/api-client.ts'],
    texts: [
      'no podfs is running',
      "no podfs of yours is running, but root's: OF-ROOT",
      "podfs NAMED is root's",
      'no podfs serve is running',
      'CLIENTS podfs serve are running',
      'PLURAL "NAME" is in several podfs: IDS',
    ],
  },
  {
    title: 'Node would show Secrets',
    cause:
      'An inspector, a heap snapshot, a report or a log of the environments of processes would show others what is in the memory of podfs.',
    remedy: 'Start podfs without that option of Node.',
    files: ['session/guard-memory.ts'],
  },
  {
    title: 'Configuration',
    cause:
      'podfs.yaml, a PODFS_ variable or a flag has a value that the setting does not take.',
    remedy: '`podfs config view` has every setting, its value and who gave it.',
    files: ['cli/session-options.ts', 'config/'],
  },
  {
    title: 'Who may enter',
    cause: 'The setting `access` names a group that /etc/group does not have.',
    remedy: 'Make the group, or give its number.',
    files: ['session/access.ts'],
  },
  {
    title: 'A tree that cannot be brought up to date',
    cause:
      'podfs serve could not write an object. What was served stays, everything else goes on.',
    remedy:
      'podfs tries it again every second; the message says what stands in its way.',
    files: ['volumes/object-volumes.ts'],
  },
  {
    title: 'A path that cannot be read',
    cause:
      'It is not there, or may not be read; or the machine has no room for more watches.',
    remedy:
      'Paths are relative to the current directory; the second line raises a limit. A podfs that runs goes on with what it read before, and looks again.',
    files: ['sources/errors.ts'],
  },
  {
    title: 'Mistakes in the input',
    cause: 'The lines above say which.',
    remedy: 'Mend all of them; `podfs validate -f` prints them again.',
    files: ['session/session.ts'],
    texts: ['an image is unknown; nothing was started'],
  },
  {
    title: 'Which Pod is meant',
    cause: 'None, or more than one, fits what was asked for.',
    remedy:
      'Name one of those that are listed, or give --all or -l. A namespace other than default needs -n.',
    files: ['pods/choose-pods.ts'],
  },
  {
    title: 'Which volume is meant',
    cause:
      'The Pod, ConfigMap, Secret or volume is not in the input, or is nothing to serve.',
    remedy: 'The second line has what there is.',
    files: ['commands/chosen-volumes.ts'],
  },
  {
    title: 'A Pod whose shim has ended',
    cause:
      'The process that runs the Pod for `podfs serve` was killed, and its containers with it.',
    remedy: 'None is needed: podfs starts the Pod again after ten seconds.',
    files: ['pods/shim/shim-client.ts'],
  },
  {
    title: 'Mount points',
    cause:
      'What is in a directory could not be seen any more; a mount that is in use cannot go; a mount point has one podfs.',
    remedy:
      'Take an empty directory, or one that does not exist. `podfs unmount` frees one, `--takeover` takes one over.',
    files: [
      'session/abandoned-mount.ts',
      'session/public-mountpoint.ts',
      'commands/served-tree.ts',
      'session/find-shims.ts',
      'commands/unmount.ts',
      'linux/unmount-path.ts',
    ],
    texts: [
      'the mount at MOUNTPOINT is lost: REASON',
      'the mount at ROOT is lost: REASON',
      'stopped before it was ready',
    ],
  },
  {
    title: 'Images',
    cause:
      'podfs has no images: it runs a program of this machine, and it does not know which one this image stands for.',
    remedy:
      'The second line has the flag to add; podfs.yaml can say it once for all.',
    files: ['runner/launch/images.ts', 'runner/launch/shell-words.ts'],
  },
  {
    title: 'A container that cannot start yet',
    cause:
      'Its environment, user, volume or subPath names what is not there. It waits with CreateContainerConfigError (of bytes that are no text: CreateContainerError) and is tried again.',
    remedy: 'Add what is missing; podfs notices by itself.',
    files: [
      'runner/container-starter.ts',
      'runner/launch/container-rights.ts',
      'runner/launch/container-user.ts',
      'runner/launch/environment.ts',
      'runner/launch/hostname.ts',
      'runner/launch/launch.ts',
      'runner/launch/read-env-files.ts',
      'runner/launch/sub-path.ts',
    ],
  },
  {
    title: 'AppArmor and SELinux',
    cause:
      'securityContext names a profile that AppArmor does not know here, or no label of SELinux. The container waits with CreateContainerError and is tried again.',
    remedy:
      'Load the profile (`apparmor_parser -r FILE`), install the package that is named, or correct the level.',
    files: ['runner/launch/security-labels.ts'],
  },
  {
    title: 'The signing key of tokens',
    cause:
      'The key file in /var/lib/podfs cannot be made or read, or holds no key.',
    remedy:
      'Remove the file to have a new one made: tokens that are in use then end.',
    files: ['tokens/signing-key.ts'],
  },
]

/** Exit code 3, and what `podfs doctor` says before anything fails. */
export const ofTheMachine: readonly CatalogueEntry[] = [
  {
    title: 'What podfs doctor finds',
    cause:
      'The machine lacks something, or has little of it. `podfs mount` and `podfs run` say `cannot mount:` and the finding.',
    remedy:
      'The second line is to be typed as root; in a container it says which flags that needs.',
    files: [
      'session/machine/',
      'session/machine-failure.ts',
      'session/claim-mountpoint.ts',
    ],
  },
  {
    title: 'Networks of Pods',
    cause:
      'With `network: pod` each Pod gets a network of its own, by programs of the machine.',
    remedy:
      'Type the second line, or use network host. A configuration of `cni.confDir` is as the CNI specification has it, of version 0.3.0 or later; `cni.binDirs` says where its plugins are.',
    files: ['session/pod-network-provider.ts', 'pods/gateway/'],
  },
  {
    title: 'Published ports',
    cause:
      '`--publish` leads from a port of this machine to one of a Pod, and it does not say which, or of which Pod.',
    remedy: 'Type it as the second line shows.',
    files: ['pods/published-ports.ts'],
  },
  {
    title: 'Ordinary users',
    cause:
      'An ordinary user’s Pods run in a user namespace, which this machine forbids, or which has no user or group of that number: the way to more is the second line.',
    remedy:
      'Type the second line, or let the Pod run as a user and with groups that there are.',
    files: [
      'linux/replace-process.ts',
      'pods/unmapped-ids.ts',
      'runner/launch/unmapped-ids.ts',
      'session/own-namespace.ts',
    ],
  },
  {
    title: 'Rights and places',
    cause: 'podfs needs directories of its own that nobody else can enter.',
    remedy: 'Type the second line.',
    files: [
      'session/private-directory.ts',
      'session/runtime-directory.ts',
      'session/refuse-chroot.ts',
    ],
  },
  {
    title: 'Mounting',
    cause: 'The kernel, mount(8) or libfuse refused.',
    remedy:
      '`podfs doctor` looks for the reason; `--backend dir` works without FUSE.',
    files: ['fuse/', 'linux/bind-read-only.ts', 'volumes/open-backend.ts'],
    texts: [
      'backend BACKEND',
      'with network pod the tree is mounted outside by means of the npm package koffi, which is not installed',
    ],
  },
]

/** The entry that speaks of a message; undefined: nobody has thought about it. */
export function entryOf(message: SourceMessage): CatalogueEntry | undefined {
  const { family, text, file } = message
  if (family !== undefined)
    return families.find(entry => entry.family === family)
  const own = [...inFiles, ...atWork, ...ofTheMachine]
  return (
    own.find(({ texts = [] }) => texts.includes(text)) ??
    own.find(({ files = [] }) => files.some(prefix => file.startsWith(prefix)))
  )
}

/** Entries, or parts of them, that no message needs any more. */
export function unusedEntries(messages: readonly SourceMessage[]): string[] {
  return [...inFiles, ...atWork, ...ofTheMachine]
    .flatMap(({ title, files = [], texts = [] }) => [
      ...files
        .filter(prefix => !messages.some(({ file }) => file.startsWith(prefix)))
        .map(prefix => `${title}: ${prefix}`),
      ...texts
        .filter(text => !messages.some(message => message.text === text))
        .map(text => `${title}: ${text}`),
    ])
    .concat(
      familyNames().filter(name =>
        families.every(({ family }) => family !== name),
      ),
    )
}
