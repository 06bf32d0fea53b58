// What this program calls itself. The engine version is Docker's numbering for clients that compare.
export const VERSION = '0.2.0';
