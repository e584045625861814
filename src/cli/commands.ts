import type { CommandGroup } from './command.ts'
import { completionCommand } from './completion.ts'
import { configCommand } from './config.ts'
import { createCommand } from './create.ts'
import { describeCommand } from './describe.ts'
import { diffCommand } from './diff.ts'
import { doctorCommand } from './doctor.ts'
import { getCommand } from './get.ts'
import { explainCommand } from './explain.ts'
import { historyCommand } from './history.ts'
import { logsCommand } from './logs.ts'
import { mountCommand } from './mount.ts'
import { reloadCommand } from './reload.ts'
import { rollbackCommand } from './rollback.ts'
import { runCommand } from './run.ts'
import { serveCommand } from './serve.ts'
import { topCommand } from './top.ts'
import { unmountCommand } from './unmount.ts'
import { unpinCommand } from './unpin.ts'
import { validateCommand } from './validate.ts'

/** Every command of the program, in the order of its help text. */
export const commands: CommandGroup['commands'] = [
  mountCommand,
  unmountCommand,
  runCommand,
  serveCommand,
  reloadCommand,
  getCommand,
  describeCommand,
  logsCommand,
  topCommand,
  historyCommand,
  diffCommand,
  rollbackCommand,
  unpinCommand,
  validateCommand,
  createCommand,
  explainCommand,
  doctorCommand,
  configCommand,
  completionCommand(() => commands),
]
