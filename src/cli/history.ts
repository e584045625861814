import { items } from '../api/json.ts'
import { Failure } from '../util/failure.ts'
import { volumeCommand } from './look/volume-command.ts'

export const historyCommand = volumeCommand({
  name: 'history',
  summary: 'list what a volume has shown, generation by generation',
  description: `podfs keeps the newest ten generations of each volume in memory, for as long as it runs.
CHANGES are files: + added, ~ changed, - removed. SOURCE is what changed them.`,
  examples: [
    {
      comment: 'what became of the configuration',
      line: 'podfs history web/config',
    },
    { comment: 'the same as JSON', line: 'podfs history web/config -o json' },
  ],
  generation: 'none',
  options: {
    output: {
      short: 'o',
      value: 'FORMAT',
      help: 'json, yaml, jsonpath=TEMPLATE or go-template=TEMPLATE',
    },
  },
  act: async ({ client, url }, _, { stdout, cwd }, options) => {
    const { listOf, parseOutputFormat } =
      await import('./look/print-objects.ts')
    const format = await parseOutputFormat(options.value('output'), cwd)
    if (format.kind === 'name' || format.kind === 'columns')
      throw new Failure(
        'usage',
        `-o ${format.kind === 'name' ? 'name' : 'custom-columns'}: the format must be json, yaml, jsonpath=TEMPLATE or go-template=TEMPLATE`,
      )
    const asTable = format.kind === 'table'
    const answer = await client.get(url('generations'), { asTable })
    if (!asTable)
      return stdout.raw(format.print(listOf(items(answer, 'items'))))
    const { TablePrinter } = await import('./look/table-printer.ts')
    const printer = new TablePrinter({
      wide: format.wide,
      withNamespace: false,
      withSession: false,
      noHeaders: false,
      showLabels: false,
      prefix: undefined,
    })
    stdout.text(printer.print([{ session: client.id, table: answer }]))
  },
})
