import type { CommandGroup } from './command.ts'
import { attachCommand } from './attach.ts'
import { completionCommand } from './completion.ts'
import { configCommand } from './config.ts'
import { cpCommand } from './cp.ts'
import { createCommand } from './create.ts'
import { debugCommand } from './debug.ts'
import { deleteCommand } from './delete.ts'
import { describeCommand } from './describe.ts'
import { diffCommand } from './diff.ts'
import { doctorCommand } from './doctor.ts'
import { getCommand } from './get.ts'
import { execCommand } from './exec.ts'
import { explainCommand } from './explain.ts'
import { historyCommand } from './history.ts'
import { logsCommand } from './logs.ts'
import { mountCommand } from './mount.ts'
import { patchCommand } from './patch.ts'
import {
  restartCommand,
  rolloutCommand,
  startCommand,
  stopCommand,
} from './pod-by-hand.ts'
import { portForwardCommand } from './port-forward.ts'
import { reloadCommand } from './reload.ts'
import { rollbackCommand } from './rollback.ts'
import { runCommand } from './run.ts'
import { scaleCommand } from './scale.ts'
import { serveCommand } from './serve.ts'
import { topCommand } from './top.ts'
import { unmountCommand } from './unmount.ts'
import { unpinCommand } from './unpin.ts'
import { validateCommand } from './validate.ts'
import { waitCommand } from './wait.ts'

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
  execCommand,
  attachCommand,
  debugCommand,
  portForwardCommand,
  cpCommand,
  topCommand,
  waitCommand,
  deleteCommand,
  startCommand,
  stopCommand,
  restartCommand,
  rolloutCommand,
  scaleCommand,
  patchCommand,
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
