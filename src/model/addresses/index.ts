// IP addresses and subnets as numbers and texts.
export {
  type AddressFamily,
  addressFamily,
  addressText,
  addressValue,
  ipv4Number,
  ipv4Text,
  ipv6Number,
  ipv6Text,
} from './ip-address.ts';
export {
  RESERVED_SUBNETS,
  type Subnet,
  parseSubnet,
  subnetContains,
  subnetText,
  subnetsOverlap,
} from './subnet.ts';
