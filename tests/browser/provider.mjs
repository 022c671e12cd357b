// An OpenID provider for the browser's tests: npm's oidc-provider, with its own pages to log in and to agree.
// Arguments: the directory that holds node_modules, the port, the address to send browsers back to, and the one
// after a logout.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modules, port, back, left] = process.argv.slice(2);
const main = createRequire(`${modules}/`).resolve('oidc-provider');
const { Provider } = await import(pathToFileURL(main));

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'deployer',
    client_secret: 'the secret of a client',
    redirect_uris: [back],
    post_logout_redirect_uris: [left],
    response_types: ['code'],
    grant_types: ['authorization_code'],
  }],
  // The name that somebody enters is their subject.
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, name: `Name of ${id}`, groups: ['ops', 'staff'] }),
  }),
  claims: { openid: ['sub'], profile: ['preferred_username', 'name', 'groups'], email: ['email'] },
  scopes: ['openid', 'profile', 'email'],
  pkce: { required: () => true },
  cookies: { keys: ['for tests only'] },
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
