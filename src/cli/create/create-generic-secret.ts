import { addData, dataOptions } from './data-options.ts'
import { NewSecret } from './new-object.ts'
import { objectCommand } from './object-command.ts'

export const createGenericSecretCommand = objectCommand({
  name: 'generic',
  summary: 'print the manifest of a Secret made of files or values, or save it',
  usage: [
    'create secret generic NAME [--type=TYPE] [--from-file=[KEY=]FILE] [--from-literal=KEY=VALUE]',
    'create secret generic NAME [--type=TYPE] --from-env-file=FILE',
  ],
  description: `Prints what 'kubectl create secret generic NAME --dry-run=client -o yaml' prints. The data of
a Secret is base64, which hides nothing.`,
  examples: [
    {
      comment: 'a value, saved as k8s/db-secret.yaml (mode 0600)',
      line: 'podfs create secret generic db --from-literal=password=hunter2 --save k8s/',
    },
    {
      comment: 'a value that no shell history keeps',
      line: "pass show db | tr -d '\\n' | podfs create secret generic db --from-file=password=/dev/stdin",
    },
    {
      comment: 'files',
      line: 'podfs create secret generic ssh --from-file=ssh-privatekey=id_rsa --from-file=ssh-publickey=id_rsa.pub',
    },
    {
      comment: 'the lines of an env file',
      line: 'podfs create secret generic web --from-env-file=.env',
    },
  ],
  options: {
    ...dataOptions,
    type: { value: 'TYPE', help: 'the type of the Secret' },
  },
  make: async (identity, options, context) => {
    const secret = new NewSecret(identity, options.value('type') ?? '')
    await addData(secret, options, context)
    return secret
  },
})
