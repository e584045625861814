export type VolumeErrorCode =
  'VOLUME_NO_GENERATION' | 'VOLUME_NOT_PUBLISHED' | 'VOLUME_CLOSED'

/** Why a volume is not what somebody asked it to be. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError'
  readonly code: VolumeErrorCode

  constructor(code: VolumeErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
