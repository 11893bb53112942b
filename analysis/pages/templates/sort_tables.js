document.querySelectorAll('table:not(.claims) th').forEach(th=>{th.tabIndex=0;const go=()=>{
const i=[...th.parentNode.children].indexOf(th),body=th.closest('table').tBodies[0],up=th.dataset.up!=='1';
th.dataset.up=up?'1':'0';th.ariaSort=up?'ascending':'descending';
const key=r=>{const t=r.cells[i].dataset.value??r.cells[i].textContent,n=Number(t);
return t!==''&&!isNaN(n)?n:t};[...body.rows].sort((a,b)=>{const x=key(a),y=key(b);
return (x>y?1:x<y?-1:0)*(up?1:-1)}).forEach(r=>body.appendChild(r))};
th.onclick=go;th.onkeydown=e=>{if(e.key==='Enter')go()}});
document.querySelectorAll('.tools input').forEach(input=>{
const tools=input.closest('.tools'),table=tools.nextElementSibling.querySelector('table'),rows=[...table.tBodies[0].rows];
const heads=[...table.tHead.rows[0].cells].map(h=>h.textContent.trim().toLowerCase());
input.oninput=()=>{const words=input.value.toLowerCase().split(',').map(w=>w.trim()).filter(Boolean);let shown=0;
rows.forEach(row=>{const text=row.textContent.toLowerCase();
const fits=words.every(word=>{const [name,value]=word.split('=').map(w=>w.trim()),i=heads.indexOf(name);
return value!==undefined&&i>=0?row.cells[i].textContent.trim().toLowerCase()===value:text.includes(word)});
row.hidden=!fits;shown+=fits});
tools.querySelector('.count').textContent=shown.toLocaleString('en-US')+' of '+rows.length.toLocaleString('en-US')+' rows'}});
const contents=document.getElementById('contents');
if(contents)document.querySelectorAll('section>h2').forEach((head,i)=>{
const section=head.parentNode,link=document.createElement('a');section.id=section.id||'section-'+i;
link.href='#'+section.id;link.textContent=head.textContent;
contents.appendChild(document.createElement('li')).appendChild(link)});
addEventListener('beforeprint',()=>document.querySelectorAll('details:not(:has(table:not(.claims)))').forEach(d=>d.open=true)); // long tables stay folded
