import { addData, dataOptions } from './data-options.ts'
import { NewConfigMap } from './new-object.ts'
import { objectCommand } from './object-command.ts'

export const createConfigMapCommand = objectCommand({
  name: 'configmap',
  aliases: ['cm'],
  summary: 'print the manifest of a ConfigMap, or save it',
  usage: [
    'create configmap NAME [--from-file=[KEY=]FILE] [--from-literal=KEY=VALUE]',
    'create configmap NAME --from-env-file=FILE',
  ],
  description: `Prints what 'kubectl create configmap NAME --dry-run=client -o yaml' prints. A file that is
not UTF-8 goes to binaryData. Of a directory the regular files are taken, no subdirectories.`,
  examples: [
    {
      comment: 'a file under its own name, and one under another',
      line: 'podfs create configmap web --from-file=nginx.conf --from-file=index=site/index.html',
    },
    {
      comment: 'all files of a directory, saved as k8s/web-configmap.yaml',
      line: 'podfs create configmap web --from-file=conf/ --save k8s/',
    },
    {
      comment: 'values',
      line: 'podfs create configmap web --from-literal=colour=blue --from-literal=size=large',
    },
    {
      comment: 'the lines of an env file',
      line: 'podfs create configmap web --from-env-file=.env',
    },
  ],
  options: dataOptions,
  make: async (identity, options, context) => {
    const configMap = new NewConfigMap(identity)
    await addData(configMap, options, context)
    return configMap
  },
})
