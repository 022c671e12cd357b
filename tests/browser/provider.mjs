// An OpenID provider for the tests in the browser: npm's oidc-provider, with its own pages to log in and to agree.
// Arguments: the directory that holds node_modules, the address of the site, and the name of the provider there.
// Prints the port that it listens on.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// Nobody reads more than the port.
console.info = console.error;

const [modules, site, name] = process.argv.slice(2);
const main = createRequire(`${modules}/`).resolve('oidc-provider');
const { default: Provider } = await import(pathToFileURL(main));

// The address is known only once it listens.
const server = createServer();
await new Promise((listens) => server.listen(0, '127.0.0.1', listens));
const { port } = server.address();

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'deployer',
    client_secret: 'the secret of a client',
    redirect_uris: [`${site}/login/with/${name}/back`],
    post_logout_redirect_uris: [`${site}/login?left=yes`],
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
server.on('request', provider.callback());
console.log(port);
