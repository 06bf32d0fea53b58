// The version that the CLI shows.
export const CLI_VERSION = '0.2.0';
