/** A mistake that people make, and what is to be said of it in docs/errors.md. */
export interface WrongInput {
  /** The words of the heading. */
  readonly title: string
  readonly cause: string
  readonly remedy: string
  /** The arguments of podfs, run in test/fixtures/wrong. */
  readonly args: readonly string[]
  readonly exitCode: number
}

const validate = (
  file: string,
  title: string,
  cause: string,
  remedy: string,
  exitCode = 1,
): WrongInput => ({
  title,
  cause,
  remedy,
  args: ['validate', '-f', file],
  exitCode,
})

/** Each has its output beside its file: tab.yaml and tab.txt. */
export const wrongManifests: readonly WrongInput[] = [
  validate(
    'tab.yaml',
    'not YAML: a tab',
    'YAML does not allow tabs in the indentation; some editors insert them.',
    'Indent with spaces. The rest of the file is not looked at until it is YAML.',
  ),
  validate(
    'unclosed-quote.yaml',
    'not YAML: a quotation mark',
    'A quotation mark was opened and never closed; the place given is where it stands.',
    'Look for the first value that is coloured wrongly in your editor.',
  ),
  validate(
    'template.yaml',
    'a template',
    'A Helm chart is not YAML before Helm has rendered it.',
    'Name the chart with `--helm`: Helm renders it, anew after each edit. Or let Helm render it once and pipe the result into podfs.',
  ),
  validate(
    'kustomization.yaml',
    'a kustomization',
    'A kustomization.yaml says how manifests are made; it is none.',
    'Name its directory with `-k`: kubectl or kustomize renders it, anew after each edit. Or let kubectl render it once and pipe the result into podfs.',
  ),
  validate(
    'twice.yaml',
    'an object twice',
    'Two documents have the same kind, namespace and name; the first one is used.',
    'Rename one, or remove it. With several -f, a file may have been given twice.',
  ),
  validate(
    'wrong-version.yaml',
    'no matches for kind in version',
    'The apiVersion does not have this kind: Deployments are in apps/v1, Jobs in batch/v1.',
    'The second line says which apiVersion it is.',
  ),
  validate(
    'typo.yaml',
    'unknown field',
    'A mistyped name. Kubernetes without strict validation ignores such a field, and nothing tells of it.',
    'The second line has the nearest name. `podfs explain` lists the fields of a struct.',
  ),
  validate(
    'indented-too-far.yaml',
    'unknown field: the indentation',
    'The field exists, but not here: it is indented too far, or not far enough.',
    'The second line says where it belongs.',
  ),
  validate(
    'probe-without-check.yaml',
    'unknown field: a level is missing',
    'path and port of a probe stand under httpGet.',
    'The second line says under what.',
  ),
  validate(
    'containers-mapping.yaml',
    'must be a list, not a mapping',
    'The dash before the first field is missing.',
    'Begin each item with a dash.',
  ),
  validate(
    'env-mapping.yaml',
    'env as a mapping',
    'env is a list of names and values; a mapping is how Docker Compose writes it.',
    'Write `- name: PORT` and, below it, `value: "8080"`.',
  ),
  validate(
    'command-text.yaml',
    'a command as text',
    'command and args are lists: no shell splits them.',
    'Write each word as an item, or `[sh, -c, "..."]` to have a shell.',
  ),
  validate(
    'unquoted-data.yaml',
    'must be a string',
    'In YAML, `yes` is true, and `1.10` is the number 1.1. The values of a ConfigMap are strings.',
    'Put the value in quotes.',
  ),
  validate(
    'env-number.yaml',
    'a number in the environment',
    'Variables are strings, and YAML reads 8080 as a number.',
    'Put the value in quotes.',
  ),
  validate(
    'mode.yaml',
    'a mode',
    'A mode is a number. With a zero in front YAML reads it as octal, as people mean it: 0644. Without the zero 644 is decimal, and in quotes it is a string.',
    'Write 0644 or 0400, no quotes. In JSON, which has no octal numbers, 420 or 256.',
  ),
  validate(
    'secret-plain-text.yaml',
    'illegal base64 data',
    'Under data the values of a Secret are in base64. The message counts the bytes, and does not show the value.',
    'Write plain text under stringData.',
  ),
  validate(
    'secret-newline.yaml',
    'a newline at the end of a password',
    '`echo hunter2 | base64` encodes the newline, too. It is accepted, and the login fails.',
    '`echo -n`, or plain text under stringData.',
    0,
  ),
  validate(
    'tls-without-key.yaml',
    'Required value: the keys of a Secret',
    'Secrets of some types must have certain keys: kubernetes.io/tls tls.crt and tls.key, kubernetes.io/dockerconfigjson .dockerconfigjson.',
    'Rename the keys, or use the type Opaque.',
  ),
  validate(
    'no-name.yaml',
    'Required value: a name',
    'Every object has a name.',
    'Give it metadata.name.',
  ),
  validate(
    'underscore.yaml',
    'Invalid value: a name',
    'Names become host names: lower case letters, digits, dashes, and for objects dots.',
    'The second line has a name that would do.',
  ),
  validate(
    'no-such-volume.yaml',
    'Not found: a volume',
    'A volumeMount names a volume that spec.volumes does not have. A volume with a mistake of its own counts as missing, too.',
    'The second line has the nearest name.',
  ),
  validate(
    'two-sources.yaml',
    'Forbidden: two sources in a volume',
    'A volume has one source.',
    'Make two volumes, or one projected volume with both as sources.',
  ),
  validate(
    'hidden-variable.yaml',
    'warning: a variable twice',
    'The last one counts. Only a value that contains the one before, such as `$(PATH):/opt/bin`, is meant so.',
    'Remove one of the two.',
    0,
  ),
]

const usage = (
  args: string,
  title: string,
  cause: string,
  remedy: string,
  exitCode = 2,
): WrongInput => ({
  title,
  cause,
  remedy,
  args: args.split(' '),
  exitCode,
})

/** What is wrong with the command line, the choice, the mount point or the image. */
export const wrongCommands: readonly WrongInput[] = [
  usage(
    'vaildate -f tab.yaml',
    'unknown command',
    'A mistyped command.',
    'The second line has the nearest one.',
  ),
  usage(
    'validate --filname tab.yaml',
    'unknown flag',
    'A mistyped flag.',
    'The second line has the nearest one.',
  ),
  usage(
    'validate -f missing.yaml',
    'no such file or directory',
    'The path after -f is not there.',
    'Paths are relative to the current directory.',
  ),
  usage(
    'run -f choices web-3',
    'no Pod of that name',
    'The input has no such Pod.',
    'The second line lists the Pods that there are. A namespace other than default needs -n.',
  ),
  usage(
    'run -f choices',
    'several Pods',
    'podfs runs one Pod, and the input has more.',
    'Name one, or give --all or -l SELECTOR.',
  ),
  usage(
    'mount -f choices/web-1.yaml --volume cofnig mnt',
    'no such volume',
    'The Pod has no volume of that name.',
    'The second line has the nearest one.',
  ),
  usage(
    'mount -f choices/web-1.yaml choices',
    'a mount point that is not empty',
    'What is in the directory could not be seen any more.',
    'Give an empty directory, or one that does not exist: it is made, and removed at the end.',
  ),
  usage(
    'unmount choices',
    'not served',
    'No podfs serves this directory.',
    '`grep fuse.podfs /proc/self/mounts` lists what is mounted.',
  ),
  usage(
    'run -f choices/unknown-image.yaml',
    'no program for an image',
    'podfs has no images: it runs a program of this machine, and it does not know which one this image stands for.',
    'The output has the flag to add. podfs.yaml can say it once for all.',
    1,
  ),
  usage(
    'explain pod.spec.containerz',
    'no such field',
    'A mistyped field.',
    'The second line has the nearest one.',
  ),
]
