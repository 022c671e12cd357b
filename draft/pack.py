import re,glob,os
ROOT='/work/wt/sabotage/'
tests=[]
for f in glob.glob(ROOT+'tests/**/*.rs',recursive=True):
    mod=f[len(ROOT+'tests/'):-3].replace('/','::'); mod=re.sub('::mod$','',mod)
    t=open(f).read()
    for mm in re.finditer(r'async fn ([a-z_0-9]+)\(|\nfn ([a-z_0-9]+)\(',t):
        tests.append(mod+'::'+(mm.group(1) or mm.group(2)))
for f in glob.glob(ROOT+'src/**/*.rs',recursive=True):
    t=open(f).read()
    if '#[test]' not in t and 'tokio::test' not in t and 'proptest!' not in t: continue
    mod=f[len(ROOT+'src/'):-3].replace('/','::'); mod=re.sub('::mod$','',mod)
    i=t.find('#[cfg(test)]'); 
    for mm in re.finditer(r'fn ([a-z_0-9]+)\(',t[max(i,0):]):
        tests.append(mod+('::tests::' if i>=0 else '::')+mm.group(1))
over=dict(l.rstrip('\n').split('\t') for l in open('/tmp/sab/over.tsv') if '\t' in l)
skip=set(open('/tmp/sab/skip').read().split())
rows=[]
for l in open('/tmp/sab/matrix.tsv'):
    i,f=l.rstrip('\n').split('\t')
    if i in skip: continue
    rows.append((i,over.get(i,f)))
sets={i:{t for t in tests if re.search(f,t)}|{'#'+x for x in f.split('|')} for i,f in rows}
# same-test groups that tell apart by their output
free=[{'c1','c5','c6','c7','c11','c12','c16'}]
def clash(a,b):
    if any(a in g and b in g for g in free): return False
    return bool(sets[a]&sets[b])
rounds=[]
for i,f in sorted(rows,key=lambda r:-len(sets[r[0]])):
    for r in rounds:
        if not any(clash(i,o) for o,_ in r): r.append((i,f)); break
    else: rounds.append([(i,f)])
out=open('/tmp/sab/rounds.tsv','w')
for r in rounds:
    toks=[]
    for _,f in r:
        for x in f.split('|'):
            if x not in toks: toks.append(x)
    n=len(set().union(*[ {t for t in sets[i] if t[0]!='#'} for i,_ in r]))
    out.write(','.join(i for i,_ in r)+'\ttest(/'+'|'.join(toks)+'/)\n')
    print(len(r),n,','.join(i for i,_ in r))
